"""A launch from the clinician's pages is good once, however many browsers come with it at once."""

from __future__ import annotations

import asyncio

import pytest

from healix_fhir.kernel.database import atransaction, open_async_pool, transaction
from smart_auth.oauth.authorize.answer import Refused
from smart_auth.oauth.launch import Launched, create_launch, take_launch
from tests.support.gate import Pool
from tests.support.oauth import app, patient_account

AT_ONCE = 50


@pytest.mark.spec("smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch")
def test_fifty_uses_of_a_launch_at_once(database_url: str, pool: Pool) -> None:
    """One of fifty gets the launch context, the others are refused."""
    patient_account(pool)
    client, _ = app(pool)
    launch = transaction(pool, lambda: create_launch(client, "ada", Launched(patient="p1")))

    async def use() -> list[Launched | BaseException]:
        opened = await open_async_pool(database_url, size=8)
        try:
            uses = (atransaction(opened, lambda: take_launch(launch, client, "ada")) for _ in range(AT_ONCE))
            return list(await asyncio.gather(*uses, return_exceptions=True))
        finally:
            await opened.close()

    taken = asyncio.run(use())
    assert [one for one in taken if isinstance(one, Launched)] == [Launched(patient="p1")]
    assert sum(isinstance(one, Refused) for one in taken) == AT_ONCE - 1
