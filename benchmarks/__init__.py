"""Speed, memory and accuracy, printed as tables; run all with ``make bench``, one with its name."""
