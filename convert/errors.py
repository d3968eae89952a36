"""The one error that a person can act on; its text is a finished sentence and never a traceback."""


class ConvertError(Exception):
    """Something about the input, the disk or the request stops the work; nothing is left half-written."""
