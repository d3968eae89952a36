"""Two real, tiny tokenizers made from one small text; never random: every test sees the same tokens."""

import json
import struct
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

TEXT = (
    "i hear you and i am here with you . that sounds hard to carry alone and it makes sense to be tired . "
    "take the time you need , there is no hurry . what would help now ? we can write it down together . "
    "the day was long and the night is quiet . your words stay here , on this machine , and nowhere else . "
    "some days are heavy , some days are light . breathe in , breathe out , begin again . you are not alone ."
)
WORDS = TEXT.split()
SENTENCES = (
    "I hear you, and I am here with you.",
    "naïve café — 日本語 🙂 and 12 345 tired days",
    "take   the time\n\nyou need\t, there is no hurry",
    "",
)
MERGES = 140
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHATML = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA2 = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}"
    "{{ ' ' + message['content'] + ' ' + eos_token }}{% endif %}{% endfor %}"
)


def byte_letters() -> dict[int, str]:
    """GPT-2's letter for each byte: printable ones stand for themselves, the others from U+0100 on."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {byte: chr(256 + n) for n, byte in enumerate(hidden)}


def train(words: Iterable[str], merges: int) -> list[tuple[str, str]]:
    """Byte pair encoding (Sennrich et al. 2016): join the most frequent pair, `merges` times."""
    counts = Counter(words)
    parts = {word: list(word) for word in counts}
    learned: list[tuple[str, str]] = []
    while len(learned) < merges:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in counts.items():
            for pair in zip(parts[word], parts[word][1:], strict=False):
                pairs[pair] += count
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        learned.append(best)
        for word in counts:
            parts[word] = _join(parts[word], best)
    return learned


def _join(parts: list[str], pair: tuple[str, str]) -> list[str]:
    joined: list[str] = []
    for part in parts:
        if joined and (joined[-1], part) == pair:
            joined[-1] += part
        else:
            joined.append(part)
    return joined


def write_byte_level(folder: Path, filler: int = 0) -> list[bytes]:
    """Write tokenizer.json and tokenizer_config.json in SmolLM2's style; return each token's bytes.

    `filler` is how many rows the model has beyond the tokens; it is returned as empty tokens.
    """
    letters = byte_letters()
    merges = train(("Ġ" + word for word in WORDS), MERGES)
    texts = [*SPECIALS, *letters.values(), *("".join(pair) for pair in merges)]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = [{"id": number, "content": text, **flags} for number, text in enumerate(SPECIALS)]
    tokenizer = {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Digits", "individual_digits": True},
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            ],
        },
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "byte_fallback": False,
            "vocab": {text: number for number, text in enumerate(texts)},
            "merges": [" ".join(pair) for pair in merges],
        },
    }
    config = {
        "tokenizer_class": "GPT2Tokenizer",
        "add_prefix_space": False,
        "chat_template": CHATML,
        "bos_token": "<|im_start|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
    }
    _write_json(folder / "tokenizer.json", tokenizer)
    _write_json(folder / "tokenizer_config.json", config)
    to_byte = {letter: byte for byte, letter in letters.items()}
    plain = [bytes(to_byte[letter] for letter in text) for text in texts[len(SPECIALS) :]]
    return [b""] * len(SPECIALS) + plain + [b""] * filler


def write_sentencepiece(folder: Path, filler: int = 0) -> list[bytes]:
    """Write tokenizer.model and tokenizer_config.json in Llama 2's style; return the bytes of each token.

    The ids follow Llama 2: three control tokens, 256 bytes, merged pieces in the order they were learned with
    scores 0, -1, -2 ..., and last the single letters.
    """
    merges = train(("▁" + word for word in WORDS), MERGES)
    letters = sorted({"▁", "é", "ï", "—", *"".join(WORDS)})
    pieces = list(dict.fromkeys(["".join(pair) for pair in merges] + letters))
    trainer = _varint_field(3, 2) + _varint_field(35, 1) + _varint_field(40, 0) + _varint_field(41, 1)
    trainer += _varint_field(42, 2) + _varint_field(43, -1 & (1 << 64) - 1)
    normalizer = _bytes_field(1, b"identity") + _varint_field(3, 1) + _varint_field(4, 0) + _varint_field(5, 1)
    model = b"".join(
        [
            *(_piece(text, 0.0, kind) for text, kind in (("<unk>", 2), ("<s>", 3), ("</s>", 3))),
            *(_piece(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)),
            *(_piece(text, float(-number), 1) for number, text in enumerate(pieces)),
            _bytes_field(2, trainer),
            _bytes_field(3, normalizer),
        ]
    )
    (folder / "tokenizer.model").write_bytes(model)
    config = {
        "tokenizer_class": "LlamaTokenizer",
        "add_bos_token": True,
        "add_eos_token": False,
        "chat_template": LLAMA2,
        "bos_token": {"content": "<s>"},
        "eos_token": {"content": "</s>"},
        "unk_token": {"content": "<unk>"},
    }
    _write_json(folder / "tokenizer_config.json", config)
    plain = [piece.replace("▁", " ").encode() for piece in pieces]
    return [b""] * 3 + [bytes([byte]) for byte in range(256)] + plain + [b""] * filler


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), "utf-8")


# Wire format: https://protobuf.dev/programming-guides/encoding; fields: sentencepiece_model.proto.


def _piece(text: str, score: float, kind: int) -> bytes:
    piece = _bytes_field(1, text.encode()) + bytes([2 << 3 | 5]) + struct.pack("<f", score) + _varint_field(3, kind)
    return _bytes_field(1, piece)


def _bytes_field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint_field(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 127:
        data.append(value & 127 | 128)
        value >>= 7
    return bytes(data) + bytes([value])
