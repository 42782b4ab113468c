"""Breaks when it is imported, in a way that cannot be shown."""


class Odd(BaseException):
    """Cannot be shown."""

    def __str__(self):
        return 1 / 0


raise Odd
