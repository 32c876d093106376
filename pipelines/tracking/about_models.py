"""What each model is, in a sentence for people who look at MLflow's pages."""

from __future__ import annotations

__all__ = ["about_model", "about_registered"]

ABOUT = {
    "random": "Results in random order: what knowing nothing is worth.",
    "cheapest": "The cheapest stay first.",
    "best_rated": "The best rated first; ratings of few reviews count less.",
    "popularity": "What earlier guests took most often first: the same for everybody.",
    "als": "Implicit ALS: guests and listings factorised from who clicked what.",
    "two_tower": (
        "Two-tower: a network of query and guest, one of the listing; finds candidates in the "
        "whole catalogue."
    ),
    "lambdarank": "LambdaRank: gradient-boosted trees trained for NDCG; the ranker's rival.",
    "stacked": "Stacked: boosted trees that read the scores of ALS and two-tower as features.",
    "ranker": (
        "The funnel: chances of click, contact and booking, put together into the order that "
        "guests are given."
    ),
}


def about_model(model: str) -> str:
    """The sentence on a model by its name in a run; a name that is not ours stands for itself."""
    return ABOUT.get(model, f"{model}.")


def about_registered(model: str) -> str:
    """What the registered model of a run's ``ranker`` or ``two_tower`` is for."""
    use = (
        "The version with the alias champion recommends; a new one becomes champion only if it is "
        "shown to be better and no guardrail shows harm."
        if model == "ranker"
        else "Its aliases follow those of the ranker that was trained beside it."
    )
    return f"{about_model(model)} {use}"
