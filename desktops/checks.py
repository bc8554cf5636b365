"""System checks of desktops, each with an id and a hint."""
