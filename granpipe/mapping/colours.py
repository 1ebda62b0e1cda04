"""The colours of the classes, the same in every file that has any."""

COLOURS = (
    *("#e69f00", "#56b4e9", "#009e73", "#f0e442"),
    *("#0072b2", "#d55e00", "#cc79a7", "#000000"),
)
"""Okabe and Ito's eight, distinct with every kind of colour blindness."""
