"""The model server's routes with every role, before anything has run."""

from pathlib import Path

import httpx
import pytest

import event_loop
from crimepatterns.config import Settings, load_settings
from crimepatterns.errors import ConfigError
from crimepatterns.serving.model_server.application import MODEL_ACCESS, create_model_app
from crimepatterns.serving.run import serve_models
from crimepatterns.serving.security.keys import create_key
from crimepatterns.serving.security.roles import Role


def example(route: str) -> str:
    return route.replace("{category}", "theft").replace("{name}", "a-model")


def ask(settings: Settings, headers: dict[str, str], peer: str = "127.0.0.1") -> dict[str, httpx.Response]:
    async def all_of_them() -> dict[str, httpx.Response]:
        transport = httpx.ASGITransport(create_model_app(settings), client=(peer, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return {
                route: await client.request("POST" if "score/" in route else "GET", example(route), headers=headers)
                for route in [*MODEL_ACCESS.roles, "/nowhere"]
            }

    return event_loop.run(all_of_them())


@pytest.mark.parametrize("role", [None, *Role])
def test_every_route_with_every_role(tmp_path: Path, role: Role | None) -> None:
    settings = load_settings(overrides={"root": str(tmp_path)})
    path = tmp_path / settings.security.keys_file
    _, key = create_key(path, name="program", role=Role.PUBLIC if role is None else role)
    answers = ask(settings, {} if role is None else {"authorization": f"Bearer {key}"})
    for route, got in answers.items():
        needed = MODEL_ACCESS.needed(example(route))[1]
        if (role or Role.PUBLIC) >= needed:
            assert got.status_code not in {401, 403}, f"{route} as {role}: {got.text}"
            assert "No such address" not in got.text or route == "/nowhere", f"{route} is in the table and is no route"
        else:
            assert got.status_code == (401 if role is None else 403), f"{route} as {role}"


def test_nobody_else_is_answered_while_no_access_is_set_up(tmp_path: Path) -> None:
    settings = load_settings(overrides={"root": str(tmp_path)})
    assert {got.status_code for got in ask(settings, {}, peer="203.0.113.9").values()} == {403}


def test_binding_elsewhere_without_access_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="crimepatterns keys create"):
        serve_models(load_settings(overrides={"root": str(tmp_path), "serving": {"host": "192.0.2.7"}}))
