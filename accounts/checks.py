"""System checks of accounts, each with an id and a hint."""
