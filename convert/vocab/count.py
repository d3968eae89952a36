"""How many tokens a tokenizer's files know; never what a token is."""

from pathlib import Path

from convert.json_file import read_object_if_present


def has_tokenizer(folder: Path) -> bool:
    """Whether `folder` holds a tokenizer, and not just settings of one."""
    return (folder / "tokenizer.json").exists() or (folder / "tokenizer.model").exists()


def token_count(folder: Path) -> int:
    """Return the rows that an embedding needs for the tokens that the JSON files in `folder` name, 0 without any."""
    tokenizer = read_object_if_present(folder / "tokenizer.json")
    model = tokenizer.get("model")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    numbers: list[object] = [
        *(vocab.values() if isinstance(vocab, dict) else range(len(vocab) if isinstance(vocab, list) else 0)),
        *(entry.get("id") for entry in tokenizer.get("added_tokens") or [] if isinstance(entry, dict)),
        *read_object_if_present(folder / "added_tokens.json").values(),
    ]
    decoder = read_object_if_present(folder / "tokenizer_config.json").get("added_tokens_decoder")
    numbers += (int(number) for number in decoder if number.isdecimal()) if isinstance(decoder, dict) else ()
    return max((number for number in numbers if isinstance(number, int)), default=-1) + 1
