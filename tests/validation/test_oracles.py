# SPDX-License-Identifier: Apache-2.0
"""Proofs that no sanitizer reports: exit status, output, files left behind, the state of a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from proofhouse.validation import Cell, PatchVerdict, ValidationResult, Verdict, load_recipe, validate
from validation.programs import diff, toml

pytestmark = pytest.mark.sandbox

UNPACKER = """\
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int main(void)
{
    char name[200] = "", path[256];
    if (fgets(name, sizeof name, stdin) == NULL)
        return 2;
    name[strcspn(name, "\\n")] = 0;
    mkdir("out", 0700);
    snprintf(path, sizeof path, "out/%s", name);
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return 3;
    fputs("content\\n", file);
    fclose(file);
    printf("wrote %s\\n", name);
    return 0;
}
"""
CHECK = '    if (strstr(name, "..") != NULL) {\n        puts("refused");\n        return 4;\n    }\n'
MENDED = UNPACKER.replace('    mkdir("out"', CHECK + '    mkdir("out"')
SILENT = UNPACKER.replace('    printf("wrote', '    if (strstr(name, "..") == NULL)\n        printf("wrote')

SERVER = """\
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char note[64] = "none";
static int admin;

static void answer(int peer, const char *status, const char *body)
{
    char text[512];
    int size = snprintf(text, sizeof text, "HTTP/1.0 %s\\r\\n\\r\\n%s", status, body);
    if (write(peer, text, size) != size)
        admin = 0;
}

int main(void)
{
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(8080)};
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int door = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(door, (struct sockaddr *)&place, sizeof place) != 0 || listen(door, 8) != 0)
        return 1;
    for (;;) {
        char text[2048] = "";
        int peer = accept(door, NULL, NULL);
        if (peer < 0 || read(peer, text, sizeof text - 1) < 0)
            return 1;
        if (strncmp(text, "POST /note ", 11) == 0) {
            const char *body = strstr(text, "\\r\\n\\r\\n");
            snprintf(note, sizeof note, "%s", body ? body + 4 : "");
            if (strstr(text, "X-Admin: 1") != NULL)
                admin = 1;
            answer(peer, "200 OK", "kept");
        } else if (strncmp(text, "GET /state ", 11) == 0) {
            char state[128];
            snprintf(state, sizeof state, "admin=%d note=%s", admin, note);
            answer(peer, "200 OK", state);
        } else {
            answer(peer, "404 Not Found", "nothing");
        }
        close(peer);
    }
}
"""
SAFE_SERVER = SERVER.replace('strstr(text, "X-Admin: 1") != NULL', "0")


def run(
    directory: Path, source: str, patches: dict[str, str], inputs: dict[str, bytes], recipe: dict[str, Any]
) -> ValidationResult:
    (directory / "program").mkdir()
    (directory / "program" / "program.c").write_text(source)
    for name, text in patches.items():
        (directory / f"{name}.patch").write_text(diff(source, text))
    for name, content in inputs.items():
        (directory / name).write_bytes(content)
    document = {
        "format": 1,
        "name": "oracle",
        "title": "something seen",
        "source": {"kind": "directory", "path": "program"},
        "build": {"steps": [["make", "program"]], "outputs": ["program"], "timeout_s": 60},
        "patch": [{"name": name, "file": f"{name}.patch"} for name in patches],
        **recipe,
    }
    path = directory / "recipe.toml"
    path.write_text(toml(document))
    return validate(load_recipe(path), cache_dir=directory / "cache")


def test_a_file_outside_and_an_exit_status_prove_a_path_that_leads_out(tmp_path: Path) -> None:
    proof = {
        "name": "outside",
        "identifiers": ["TEST-1"],
        "inputs": {"line": {"file": "outside.in"}},
        "shows": {"exit": 0, "files": {"escaped": "content"}},
        "fixed": {"exit": 4, "stdout_contains": "refused", "absent": ["escaped"]},
    }
    control = {
        "name": "inside",
        "inputs": {"line": {"file": "inside.in"}},
        "exit": 0,
        "files": {"out/a": "content"},
    }
    result = run(
        tmp_path,
        UNPACKER,
        {"mended": MENDED, "silent": SILENT},
        {"outside.in": b"../escaped\n", "inside.in": b"a\n"},
        {
            "run": {"argv": ["./program"], "stdin": "line", "timeout_s": 10},
            "proof": [proof],
            "control": [control],
        },
    )
    assert result.proofs[0].verdict is Verdict.REPRODUCED
    assert (result.proofs[0].crashes, result.proofs[0].crash) == (3, None)
    assert result.kill_matrix.cells == ((Cell.STOPPED, Cell.FIRES),)
    assert [patch.verdict for patch in result.patches] == [PatchVerdict.PROVED, PatchVerdict.NOT_PROVED]
    assert result.patches[1].refusal == "cosmetic"


def test_the_state_of_a_server_proves_what_a_request_did_to_it(tmp_path: Path) -> None:
    proof = {
        "name": "becomes-admin",
        "identifiers": ["TEST-2"],
        "inputs": {"post": {"file": "attack.http"}},
        "shows": {"exit": 0, "http_status": 200, "stdout_contains": "admin=1"},
        "fixed": {"exit": 0, "http_status": 200, "stdout_contains": "admin=0"},
    }
    control = {
        "name": "note",
        "inputs": {"post": {"file": "plain.http"}},
        "exit": 0,
        "http_status": 200,
        "stdout_contains": "note=hello",
    }
    run_section = {
        "argv": ["./program"],
        "timeout_s": 20,
        "http": {"port": 8080, "requests": ["post"], "ask": "/state"},
    }
    result = run(
        tmp_path,
        SERVER,
        {"mended": SAFE_SERVER},
        {
            "attack.http": b"POST /note HTTP/1.0\r\nX-Admin: 1\r\n\r\nhello",
            "plain.http": b"POST /note HTTP/1.0\r\n\r\nhello",
        },
        {"run": run_section, "proof": [proof], "control": [control]},
    )
    assert result.proofs[0].verdict is Verdict.REPRODUCED
    assert result.patches[0].verdict is PatchVerdict.PROVED
    assert result.ok
