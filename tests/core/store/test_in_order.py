"""Several statements as one on PostgreSQL: in the order in which they stand, whatever the server would prefer."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from core.store import sql
from tests.conftest import fresh_postgres


def step(name: str, *, answers: bool = True) -> sql.Query:
    text = f"INSERT INTO told (step, n) SELECT '{name}', r.n FROM @rows r(n int)"
    return sql.Query(text + (" RETURNING id, step" if answers else ""), "postgresql")


def test_each_batch_waits_for_the_one_before(postgres_url: str) -> None:
    """The rows of the first get the lowest ids; the answer is the last one's; a step may answer nothing."""

    async def story() -> list[Any]:
        connection = await asyncpg.connect(await fresh_postgres(postgres_url))
        try:
            await connection.execute("CREATE TABLE told (id BIGINT GENERATED ALWAYS AS IDENTITY, step TEXT, n INT)")
            query = sql.in_order([step("first", answers=False), step("second"), step("third")])
            assert query.names == ["rows_0", "rows_1", "rows_2"]
            answer = await connection.fetch(query.text, '[{"n": 1}, {"n": 2}]', '[{"n": 1}]', '[{"n": 1}, {"n": 2}]')
            assert [row["step"] for row in answer] == ["third", "third"]
            return [row["step"] for row in await connection.fetch("SELECT step FROM told ORDER BY id")]
        finally:
            await connection.close()

    assert asyncio.run(story()) == ["first", "first", "second", "third", "third"]
