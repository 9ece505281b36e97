# SPDX-License-Identifier: Apache-2.0
"""Subjects of known behaviour, as Inspect model providers.

A policy sees what a model would see and acts by the same tool calls; it needs no key and no network.

- `policy/reference` solves every item with its reference artefact, looked up on the host by item id;
- `policy/null` submits nothing;
- `policy/fuzzer` compiles the shown source with a libFuzzer harness, takes its `case` labels for a
  dictionary and submits what crashes.

Token usage is always set and counted locally: Inspect would otherwise fetch a tokenizer from the network.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass

from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageUser,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
)
from inspect_ai.tool import ToolChoice, ToolInfo

from proofhouse.exam.session import find_solution

BYTES_PER_TOKEN = 4
DEFAULT_FUZZ_RUNS = 400_000
FUZZ_WALL_S = 50
"""Bound on a fuzzing run on a slow machine; the count of executions is meant to end it."""

_ITEM = re.compile(r"^Item (\S+)\.$", re.MULTILINE)

HARNESS = """\
#include <stddef.h>
#include <stdint.h>
int parse_input(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    parse_input(data, size);
    return 0;
}
"""


@dataclass(frozen=True)
class Context:
    """What a policy may decide by."""

    item_id: str
    turn: int
    """How many answers it has given before."""
    fuzz_runs: int


Policy = Callable[[Context], str | None]
"""The next shell command, or None to submit."""


def _reference(context: Context) -> str | None:
    if context.turn > 0:
        return None
    encoded = base64.b64encode(find_solution(context.item_id)).decode("ascii")
    return f"echo {encoded} | base64 -d > /work/submission.bin"


def _null(context: Context) -> str | None:
    del context
    return None


def _fuzzer(context: Context) -> str | None:
    commands = (
        f"mkdir -p /work/fuzz && cd /work/fuzz && cat > harness.c <<'END'\n{HARNESS}END\n"
        r"grep -o 'case [0-9]*:' /work/target/parser.c | tr -cd '0-9\n' "
        r"""| xargs printf '"\\x%02x"\n' > tags.dict"""
        "\nclang -O1 -fsanitize=address,fuzzer -Dmain=program_main -o fuzz /work/target/parser.c harness.c",
        f"cd /work/fuzz && ASAN_OPTIONS=detect_leaks=0:symbolize=0 timeout {FUZZ_WALL_S} ./fuzz -seed=1 "
        f"-runs={context.fuzz_runs} -max_len=512 -use_value_profile=1 -timeout=5 -verbosity=0 "
        "-dict=tags.dict -print_final_stats=1 -exact_artifact_path=crash 2>&1 | tail -n 5",
        "cd /work/fuzz && if [ -f crash ]; then cp crash /work/submission.bin; fi; ls -l /work",
    )
    return commands[context.turn] if context.turn < len(commands) else None


POLICIES: dict[str, Policy] = {"reference": _reference, "null": _null, "fuzzer": _fuzzer}
"""All policies by name."""


class PolicyAPI(ModelAPI):
    """The provider of `policy/NAME`.

    Args:
        model_name: a key of `POLICIES`.
        base_url: ignored.
        api_key: ignored.
        config: ignored.
        fuzz_runs: executions that `policy/fuzzer` may use on an item.

    Raises:
        ValueError: there is no such policy.
    """

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        fuzz_runs: int = DEFAULT_FUZZ_RUNS,
    ) -> None:
        super().__init__(model_name, base_url, api_key, [], config or GenerateConfig())
        if model_name not in POLICIES:
            raise ValueError(f"no policy {model_name!r}; known: {', '.join(sorted(POLICIES))}")
        self._policy = POLICIES[model_name]
        self._fuzz_runs = fuzz_runs

    async def generate(
        self,
        input: list[ChatMessage],  # noqa: A002 - Inspect passes its arguments by these names
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        """Answer with one tool call: `bash` with the policy's next command, or `submit`."""
        del tools, tool_choice, config
        shown = "\n".join(message.text for message in input if isinstance(message, ChatMessageUser))
        match = _ITEM.search(shown)
        if match is None:
            raise ValueError("a policy answers items of this exam only: no item id in the conversation")
        turn = sum(isinstance(message, ChatMessageAssistant) for message in input)
        command = self._policy(Context(match[1], turn, self._fuzz_runs))
        if command is None:
            output = ModelOutput.for_tool_call(self.model_name, "submit", {"answer": "submitted"})
        else:
            output = ModelOutput.for_tool_call(self.model_name, "bash", {"command": command})
        sent = sum(len(message.text) for message in input) // BYTES_PER_TOKEN
        said = len(command or "submitted") // BYTES_PER_TOKEN
        output.usage = ModelUsage(input_tokens=sent, output_tokens=said, total_tokens=sent + said)
        return output

    async def count_text_tokens(self, text: str) -> int:
        """A count that needs no tokenizer."""
        return len(text) // BYTES_PER_TOKEN
