# SPDX-License-Identifier: Apache-2.0
"""The process of a house: web server, control socket and desk work in one (DESIGN §5, embedded default)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from proofhouse.server.house import House, load_house, this_house


class _HouseServer(BaseApplication):  # type: ignore[misc]  # gunicorn publishes no types
    def __init__(self, house: House) -> None:
        self.house = house
        super().__init__()

    def load_config(self) -> None:
        for name, value in {
            "bind": f"127.0.0.1:{self.house.port}",
            "workers": 1,
            "worker_class": "gthread",
            "threads": 8,
            "timeout": 120,
            "graceful_timeout": 5,
            "errorlog": str(self.house.directory / "logs" / "web.log"),
            "loglevel": "warning",
            "proc_name": f"proofhouse-{self.house.name}",
            "post_worker_init": _start_desk_work,
            "control_socket_disable": True,
        }.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Callable[..., Any]:
        from proofhouse.server.opening import prepare_database
        from proofhouse.server.wsgi import application

        prepare_database(self.house)
        return application


def _start_desk_work(_worker: object) -> None:
    from proofhouse.server.engine import control, work

    work.start()
    control.serve(this_house().control_socket)


def run(directory: Path) -> None:
    """Serve a house until it is told to stop."""
    house = load_house(directory)
    os.environ["PROOFHOUSE_HOUSE"] = str(house.directory)
    os.environ["DJANGO_SETTINGS_MODULE"] = "proofhouse.server.settings"
    _HouseServer(house).run()
