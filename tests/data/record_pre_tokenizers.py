"""Records how known pre-tokenizers cut llama.cpp's check text: `python record_pre_tokenizers.py LLAMA_CPP`.

Needs the `tokenizers` package and llama.cpp's source folder; writes convert/vocab/pre_tokenizers.json. The check
text, the hashes and their names come from llama.cpp's conversion/base.py, so that the two can never drift apart.
Recorded with tokenizers 0.22.2 and the llama.cpp inside llama-cpp-python 0.3.36.
"""

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

import tokenizers

TARGET = Path(__file__).parents[2] / "convert" / "vocab" / "pre_tokenizers.json"

CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA_3 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + REST
QWEN_2 = CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + REST
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
DIGITS = {"type": "Digits", "individual_digits": True}
NFC = {"type": "NFC"}


def split(regex: str) -> list[dict[str, Any]]:
    """Return the steps of a tokenizer.json that cuts by `regex` and then only spells bytes."""
    cut = {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}
    return [cut, BYTE_LEVEL | {"use_regex": False}]


# What llama.cpp calls a definition: (normalizer, steps, whether a whole word is looked up before merging).
# The names follow the regular expressions and settings in llama.cpp's src/llama-vocab.cpp.
BYTE_LEVEL_BPE = (
    ("gpt-2", None, [BYTE_LEVEL], False),
    ("smollm", None, [DIGITS, BYTE_LEVEL], False),
    ("llama-bpe", None, split(LLAMA_3), True),
    ("smaug-bpe", None, split(LLAMA_3), False),
    ("qwen2", NFC, split(QWEN_2), False),
    ("qwen2", None, split(QWEN_2), False),
    ("tekken", None, split(TEKKEN), True),
)
BERT = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None}
WORD_PIECE = (BERT | {"lowercase": True}, BERT | {"lowercase": False})

# Names of hashes whose pre-tokenizer is one of the above.
NAMES = frozenset(
    {
        "gpt-2", "phi-2", "exaone4", "a.x-4.0", "mellum", "gigachat", "olmo", "mpt", "trillion", "granite-docling",
        "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2",
        "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "smaug-bpe", "dbrx",
        "qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan", "solar-open",
        "tekken", "bert-bge", "bert-bge-large", "jina-v2-en",
    }
)  # fmt: skip


def read_llama_cpp(folder: Path) -> tuple[str, dict[str, str]]:
    """Return the check text and, for each hash, the name llama.cpp ends up with (a later one wins)."""
    source = (folder / "conversion" / "base.py").read_text("utf-8")
    found = re.search(r"chktxt = ('.*')\n", source)
    assert found
    pairs = re.findall(r'chkhsh == "([0-9a-f]{64})":\s*\n\s*# ref:[^\n]*\n\s*res = "([^"]+)"', source)
    return ast.literal_eval(found[1]), {digest: name for digest, name in pairs if name in NAMES}


def words(text: str, normalizer: dict[str, Any] | None, steps: list[dict[str, Any]]) -> list[str]:
    """Return the words that `text` is cut into, spelled as the vocabulary spells them."""
    blank = {"type": "BPE", "vocab": {}, "merges": []}
    definition: dict[str, Any] = {
        "version": "1.0", "added_tokens": [], "normalizer": normalizer, "post_processor": None, "decoder": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps}, "model": blank,
    }  # fmt: skip
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(definition))
    normal = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)]


def main(llama_cpp: Path) -> None:
    """Write the table."""
    text, hashes = read_llama_cpp(llama_cpp)
    table = {
        "byte_level": [
            {
                "name": name, "normalizer": normalizer, "steps": steps, "ignore_merges": whole,
                "words": words(text, normalizer, steps),
            }
            for name, normalizer, steps, whole in BYTE_LEVEL_BPE
        ],
        "word_piece": [
            {"normalizer": normalizer, "words": words(text, normalizer, [{"type": "BertPreTokenizer"}])}
            for normalizer in WORD_PIECE
        ],
        "check_text": text,
        "hashes": hashes,
    }  # fmt: skip
    lines = json.dumps(table, ensure_ascii=True, indent=1)
    # One list of words a line: the file stays readable.
    TARGET.write_text(re.sub(r'(?<="words": )\[[^\]]*?\n *\]', _one_line, lines) + "\n", "ascii")


def _one_line(match: re.Match[str]) -> str:
    return json.dumps(json.loads(match[0]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
