"""The price of a stay, estimated from the log's own prices: listing, nights, length, fee."""
