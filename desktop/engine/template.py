"""Chat templates: turns -> the text a model was trained on. Never runs a template outside the sandbox."""

from collections.abc import Iterable
from typing import NoReturn

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from desktop.engine.protocol import Turn
from desktop.errors import UserError

# The form of Llama-2-chat: meta-llama/llama, llama/generation.py (chat_completion).
LLAMA_2 = (
    "{% set system = '' %}"
    "{% if messages[0]['role'] == 'system' %}"
    "{% set system = '<<SYS>>\n' + messages[0]['content'] + '\n<</SYS>>\n\n' %}{% set messages = messages[1:] %}"
    "{% endif %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + (system if loop.first else '') + message['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'] + ' ' + eos_token }}{% endif %}"
    "{% endfor %}"
)
# What llama.cpp falls back to for a model that brings no template.
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{{ '<|im_start|>assistant\n' }}"
)


# Whatever a template out of some file may do wrong; the sandbox's own refusals are TemplateErrors.
_FAILURES = (
    jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError,
)  # fmt: skip


class ChatTemplate:
    """The template of one model, ready to render."""

    def __init__(self, source: str, bos: str, eos: str, control_texts: Iterable[str]) -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _refuse
        try:
            self._template = environment.from_string(source)
        except _FAILURES as error:
            raise UserError("template_failed") from error
        self._bos, self._eos = bos, eos
        self._control_texts = [text for text in control_texts if len(text) > 1]

    def render(self, turns: list[Turn]) -> str:
        """The prompt, up to where the answer begins. Raises UserError("template_failed")."""
        plain = [Turn(role=turn["role"], content=self._defused(turn["content"])) for turn in turns]
        try:
            return self._rendered(plain)
        except _FAILURES:
            if plain[0]["role"] != "system" or len(plain) < 2:
                raise UserError("template_failed") from None
        # Some templates know no system role: its text then opens the first message.
        opening = Turn(role="user", content=f"{plain[0]['content']}\n\n{plain[1]['content']}")
        try:
            return self._rendered([opening, *plain[2:]])
        except _FAILURES as error:
            raise UserError("template_failed") from error

    def _rendered(self, turns: list[Turn]) -> str:
        return self._template.render(
            messages=turns, add_generation_prompt=True, bos_token=self._bos, eos_token=self._eos
        )

    def _defused(self, content: str) -> str:
        """Breaks the texts of control tokens, so that nothing typed can pose as the template."""
        for text in self._control_texts:
            if text in content:
                content = content.replace(text, f"{text[0]} {text[1:]}")
        return content


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
