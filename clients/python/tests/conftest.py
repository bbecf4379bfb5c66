# Fixtures: a fake server in the process, and clients of it.
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

import athanor
from fake_server import FakeServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as running:
        yield running


@pytest.fixture
def client(server: FakeServer) -> Iterator[athanor.Client]:
    with athanor.connect(server.target, reconnect_seconds=10) as connected:
        yield connected


@pytest_asyncio.fixture
async def async_client(server: FakeServer) -> AsyncIterator[athanor.AsyncClient]:
    async with athanor.connect_async(server.target, reconnect_seconds=10) as connected:
        yield connected
