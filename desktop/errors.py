"""What a person can act on. Never holds a person's words, and never a sentence: faces word the code."""


class UserError(Exception):
    """A failure that a person can do something about.

    `code` names a sentence under `[errors]` in resources/locale/; `details` fill its blanks.
    """

    def __init__(self, code: str, **details: str | int) -> None:
        super().__init__(code)
        self.code = code
        self.details = details
