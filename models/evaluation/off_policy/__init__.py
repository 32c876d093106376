"""What a log of one ranking says about another: counterfactual estimates, interleaving."""
