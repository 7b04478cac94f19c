"""Errands: done once they are due, tried again for days, seen when they are given up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event, Thread

import psycopg
import pytest
from psycopg import Connection, RawCursor

from dicomweb.errand import queue
from dicomweb.errand.queue import FIRST_PAUSE, LONGEST_PAUSE, Errand, Kind, Wanted
from dicomweb.errand.work import AwayError, Done, RefusedError, StoppedError, worker
from healix_fhir.kernel.audit import AuditRow, Origin
from healix_fhir.kernel.database import Row, one, run
from healix_fhir.kernel.outbox import Event as Happened
from healix_fhir.kernel.outbox import publish
from healix_fhir.kernel.placeholders import posed

Step = Callable[[Connection[Row]], int]
WANTED = Wanted(Kind.SEND, "PACS", "1.2.3", "all")


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection[Row]]:
    """A worker's connection."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def ask(connection: Connection[Row], *wanted: Wanted, rest: float = 0) -> None:
    """Ask for errands."""
    run(connection, one(queue.ask(wanted, rest=rest)))


def doing(seen: list[Errand], *results: Done | Exception) -> Step:
    """A step whose errands end like this, one after the other; the last way is that of all further ones."""
    left = list(results)

    def perform(_: Connection[Row], errand: Errand) -> Done:
        seen.append(errand)
        result = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(result, Exception):
            raise result
        return result

    return worker(dict.fromkeys(Kind, perform))


def row(connection: Connection[Row], about: str = "1.2.3") -> tuple[int, float, bool, bool, str | None]:
    """Attempts, seconds until it is due, whether it has ended, was given up, and why it failed."""
    found = connection.execute(
        """SELECT attempts, extract(epoch FROM due - now())::float8, ended IS NOT NULL, given_up, reason
           FROM errand WHERE about = %s""",
        (about,),
    ).fetchone()
    assert found is not None
    return found


def hurry(connection: Connection[Row]) -> None:
    """Let all that waits be due."""
    connection.execute("UPDATE errand SET due = now() WHERE ended IS NULL")
    connection.execute("UPDATE errand_away SET until = now()")


def test_errand_is_done_once(connection: Connection[Row]) -> None:
    """What was done is not done again; the trail has what its performer says."""
    seen: list[Errand] = []
    step = doing(seen, Done(7, [AuditRow(Origin(client="errands"), "R", "forward", entity="1.2.3")]))
    ask(connection, WANTED)
    assert [step(connection), step(connection)] == [1, 0]
    assert [(one.kind, one.receiver, one.about, one.rule, one.after) for one in seen] == [
        (Kind.SEND, "PACS", "1.2.3", "all", 0)
    ]
    assert connection.execute("SELECT subtype, entity FROM audit_event").fetchall() == [("forward", "1.2.3")]


def test_errand_that_is_asked_for_again_goes_on_from_where_it_was(connection: Connection[Row]) -> None:
    """An image that comes later has the rest sent, not the whole study."""
    seen: list[Errand] = []
    step = doing(seen, Done(7))
    ask(connection, WANTED)
    step(connection)
    ask(connection, WANTED)
    assert step(connection) == 1
    assert [one.after for one in seen] == [0, 7]


@pytest.mark.parametrize("again", ["asked", "retried"])
def test_priors_that_are_asked_for_again_begin_at_the_first(connection: Connection[Row], again: str) -> None:
    """How far it was counts in a list that the peer may meanwhile have another of."""
    seen: list[Errand] = []
    step = doing(seen, Done(2, again=0), RefusedError("no", final=True), Done())
    wanted = Wanted(Kind.PRIORS, "PACS", "4711\\", "all")
    ask(connection, wanted)
    assert [step(connection), step(connection), step(connection)] == [1, 1, 0]
    if again == "asked":
        ask(connection, wanted)
    else:
        run(connection, queue.retry(seen[0].seq))
    step(connection)
    assert [one.after for one in seen] == [0, 2, 0]


def test_errand_that_was_just_done_may_rest(connection: Connection[Row]) -> None:
    """With a rest an errand is not done again within that time."""
    seen: list[Errand] = []
    step = doing(seen, Done())
    for _ in range(2):
        ask(connection, WANTED, rest=3600)
        step(connection)
    assert len(seen) == 1


def test_errand_asked_for_while_it_is_done_is_done_again(database_url: str, connection: Connection[Row]) -> None:
    """What arrives while a study is being sent is not forgotten."""

    def perform(_: Connection[Row], errand: Errand) -> Done:
        if errand.times == 1:
            with psycopg.connect(database_url) as other:
                ask(other, WANTED)
        return Done(5)

    step = worker(dict.fromkeys(Kind, perform))
    ask(connection, WANTED)
    assert [step(connection), step(connection), step(connection)] == [1, 1, 0]


@pytest.mark.parametrize("result", [Done(5), Done(5, again=0), RefusedError("no room"), AwayError("nobody there")])
def test_errand_cancelled_while_it_is_done_stays_so(
    database_url: str, connection: Connection[Row], result: Done | Exception
) -> None:
    """Whatever becomes of what was just done, nothing is done after it."""
    ask(connection, WANTED)

    def perform(_: Connection[Row], errand: Errand) -> Done:
        with psycopg.connect(database_url) as other:
            run(other, queue.cancel(errand.seq))
        if isinstance(result, Exception):
            raise result
        return result

    step = worker(dict.fromkeys(Kind, perform))
    assert step(connection) == 1
    hurry(connection)
    assert step(connection) == 0
    _, _, ended, given_up, _ = row(connection)
    assert (ended, given_up) == (True, True)


@pytest.mark.parametrize("result", [Done(5), Done(5, again=0)])
def test_errand_begun_anew_while_it_is_done_begins_anew(
    database_url: str, connection: Connection[Row], result: Done
) -> None:
    """Who asks for all again gets all, also of what is just being sent."""
    seen: list[int] = []

    def perform(_: Connection[Row], errand: Errand) -> Done:
        seen.append(errand.after)
        if len(seen) == 2:
            with psycopg.connect(database_url) as other:
                run(other, queue.begin(WANTED))
        return Done(3, again=0) if len(seen) == 1 else result if len(seen) == 2 else Done(9)

    step = worker(dict.fromkeys(Kind, perform))
    ask(connection, WANTED)
    assert [step(connection) for _ in range(4)] == [1, 1, 1, 0]
    assert seen == [0, 3, 0]


def test_errand_goes_on_in_parts(connection: Connection[Row]) -> None:
    """A part that is done is kept, and the rest follows when the performer said."""
    seen: list[Errand] = []
    step = doing(seen, Done(3, again=0), Done(9))
    ask(connection, WANTED)
    assert [step(connection), step(connection), step(connection)] == [1, 1, 0]
    assert [one.after for one in seen] == [0, 3]


def test_what_parts_say_is_kept(connection: Connection[Row]) -> None:
    """What did not go well in a part is seen when all is done; why an attempt failed is not."""
    step = doing([], RefusedError("no room"), Done(3, again=0, note="one was refused"), Done(9))
    ask(connection, WANTED)
    reasons = []
    for _ in range(3):
        step(connection)
        reasons.append(row(connection)[4])
        hurry(connection)
    assert reasons == ["no room", "one was refused", "one was refused"]


def test_failing_errand_is_tried_with_growing_pauses(connection: Connection[Row]) -> None:
    """Each failure doubles the pause, up to an hour; the reason is kept."""
    step = doing([], RefusedError("no room"))
    ask(connection, WANTED)
    pauses = []
    for _ in range(12):
        step(connection)
        attempts, pause, ended, _, reason = row(connection)
        pauses.append(round(pause))
        hurry(connection)
    assert pauses == [min(FIRST_PAUSE * 2**n, LONGEST_PAUSE) for n in range(12)]
    assert (attempts, ended, reason) == (12, False, "no room")


def test_errand_is_given_up_after_days(connection: Connection[Row]) -> None:
    """What was tried in vain for three days is given up, audited, and listed."""
    step = doing([], AwayError("nobody there"))
    ask(connection, WANTED)
    connection.execute("UPDATE errand SET asked = now() - interval '3 days 1 second'")
    step(connection)
    assert row(connection)[2:] == (True, True, "nobody there")
    assert connection.execute("SELECT subtype, outcome, entity, query FROM audit_event").fetchall() == [
        ("forward", 8, "1.2.3", "PACS: nobody there")
    ]
    assert [one.given_up for one in run(connection, queue.waiting(everything=False))] == [True]


def test_useless_errand_is_given_up_at_once(connection: Connection[Row]) -> None:
    """What can never succeed is not tried again."""
    step = doing([], RefusedError("its study was deleted", final=True))
    ask(connection, WANTED)
    assert [step(connection), step(connection)] == [1, 0]
    assert row(connection)[3] is True


def test_retry_takes_up_what_was_given_up(connection: Connection[Row]) -> None:
    """An operator may have an errand done again."""
    seen: list[Errand] = []
    step = doing(seen, RefusedError("no", final=True), Done())
    ask(connection, WANTED)
    step(connection)
    run(connection, queue.retry(run(connection, queue.waiting(everything=False))[0].seq))
    step(connection)
    assert row(connection)[2:] == (True, False, None)


def until(connection: Connection[Row]) -> list[int]:
    """In how many seconds each receiver that is away is called again."""
    rows = connection.execute("SELECT extract(epoch FROM until - now())::float8 FROM errand_away ORDER BY receiver")
    return [round(seconds) for (seconds,) in rows]


def test_receiver_that_is_away_is_left_alone_with_all_that_it_is_to_have(connection: Connection[Row]) -> None:
    """One failed call is enough for all errands of a receiver; others are served, and when it is back it has all."""
    seen: list[Errand] = []
    step = doing(seen, AwayError("nobody there"), Done())
    ask(connection, *(Wanted(Kind.SEND, "PACS", f"1.2.{n}") for n in range(3)))
    assert [step(connection), step(connection)] == [1, 0]
    ask(connection, Wanted(Kind.SEND, "OTHER", "1.2.9"), Wanted(Kind.SEND, "PACS", "1.2.7"))
    assert [step(connection), step(connection)] == [1, 0], "only the other receiver's"
    assert seen[1].receiver == "OTHER"
    hurry(connection)
    assert [step(connection) for _ in range(5)] == [1, 1, 1, 1, 0]
    assert until(connection) == []


def test_receiver_that_stays_away_is_called_less_and_less(connection: Connection[Row]) -> None:
    """Each call in vain doubles the pause, up to an hour, whichever errand was tried."""
    step = doing([], AwayError("nobody there"))
    ask(connection, *(Wanted(Kind.SEND, "PACS", f"1.2.{n}") for n in range(3)))
    pauses = []
    for _ in range(12):
        assert [step(connection), step(connection)] == [1, 0]
        pauses += until(connection)
        hurry(connection)
    assert pauses == [min(FIRST_PAUSE * 2**n, LONGEST_PAUSE) for n in range(12)]


def test_clock_that_was_set_back(connection: Connection[Row]) -> None:
    """What was asked for, and who was found away, while the clock was ahead does not wait until it is there again."""
    seen: list[Errand] = []
    step = doing(seen, AwayError("nobody there"), Done())
    ask(connection, WANTED)
    connection.execute("UPDATE errand SET due = due + interval '30 min', asked = asked + interval '30 min'")
    assert step(connection) == 1, "asked for while it was ahead"
    assert step(connection) == 0, "away for some seconds"
    connection.execute("UPDATE errand_away SET until = until + interval '30 min'")
    assert [step(connection), step(connection)] == [1, 0]


def test_errand_that_failed_while_the_clock_was_ahead(connection: Connection[Row]) -> None:
    """It was asked for before, and is due when no errand can be: it is tried at once; a pause that can be is kept."""
    step = doing([], RefusedError("not now"), RefusedError("not now"), Done())
    ask(connection, WANTED)
    assert step(connection) == 1
    connection.execute("UPDATE errand SET due = due + interval '1 day'")
    assert [step(connection), step(connection)] == [1, 0]
    attempts, seconds, ended, *_ = row(connection)
    assert (attempts, ended) == (2, False)
    assert 0 < seconds <= 2 * FIRST_PAUSE


def test_receiver_that_answers_is_there(connection: Connection[Row]) -> None:
    """A receiver that refuses an errand can be reached: its others go at once."""
    step = doing([], AwayError("nobody there"), RefusedError("not this one"), Done())
    ask(connection, *(Wanted(Kind.SEND, "PACS", f"1.2.{n}") for n in range(2)))
    step(connection)
    hurry(connection)
    assert [step(connection), step(connection), step(connection)] == [1, 1, 0]
    assert until(connection) == []


def test_all_that_waits_too_long_for_a_receiver_is_given_up(connection: Connection[Row]) -> None:
    """Errands that were never tried, since their receiver was away, are given up in their time, each with its row."""
    step = doing([], AwayError("nobody there"))
    ask(connection, *(Wanted(Kind.SEND, "PACS", f"1.2.{n}") for n in range(3)))
    connection.execute("UPDATE errand SET asked = now() - interval '4 days' WHERE about <> '1.2.2'")
    step(connection)
    found = run(connection, queue.waiting(everything=False))
    assert [(one.about, one.given_up) for one in found] == [("1.2.0", True), ("1.2.1", True), ("1.2.2", False)]
    assert connection.execute("SELECT entity FROM audit_event ORDER BY entity").fetchall() == [("1.2.0",), ("1.2.1",)]


def test_an_operator_has_a_receiver_called_at_once(connection: Connection[Row]) -> None:
    """Whoever knows that a receiver is back need not wait for the pause."""
    step = doing([], AwayError("nobody there"), Done())
    ask(connection, WANTED)
    step(connection)
    (listed,) = run(connection, queue.waiting(everything=False))
    assert listed.due > listed.asked
    run(connection, queue.retry(listed.seq))
    assert step(connection) == 1


def test_each_receiver_has_its_turn(connection: Connection[Row]) -> None:
    """One with a thousand errands does not keep the others waiting."""
    seen: list[Errand] = []
    step = doing(seen, Done())
    ask(connection, *(Wanted(Kind.SEND, name, f"1.{n}") for name in ("A", "B", "C") for n in range(3)))
    for _ in range(6):
        step(connection)
    assert [one.receiver for one in seen] == ["A", "B", "C"] * 2


def test_the_next_errand_of_many_is_found_in_an_index(connection: Connection[Row]) -> None:
    """Looking for what is due reads no more of a hundred thousand errands than of ten."""
    connection.execute(
        """INSERT INTO errand (kind, receiver, about, due)
           SELECT 'send', 'PEER' || n % 3, n::text, now() - interval '1 hour' FROM generate_series(1, 60000) n"""
    )
    connection.execute("ANALYZE errand")
    for work in (lambda: queue.receivers(list(Kind)), lambda: queue.next_of("PEER1", list(Kind))):
        statement = next(work())
        sql, params = posed(statement.sql, statement.params)
        with RawCursor(connection) as cursor:
            plan = cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql.decode()}", params).fetchone()
        assert plan is not None
        assert plan[0][0]["Plan"]["Shared Hit Blocks"] + plan[0][0]["Plan"]["Shared Read Blocks"] < 100


def test_commitments_go_first(connection: Connection[Row]) -> None:
    """A modality that waits for an answer does not wait for a study that is being sent."""
    seen: list[Errand] = []
    step = doing(seen, Done())
    ask(connection, *(Wanted(kind, "PACS", "1") for kind in reversed(Kind)))
    while step(connection):
        pass
    assert [one.kind for one in seen] == list(Kind)


def test_short_errands_have_a_place_of_their_own(database_url: str, connection: Connection[Row]) -> None:
    """Who waits for a report or a notice has it while long errands are done, also at the same receiver."""
    begun, go_on = Event(), Event()

    def pull(_: Connection[Row], __: Errand) -> Done:
        begun.set()
        go_on.wait(60)
        return Done()

    def long() -> None:
        with psycopg.connect(database_url, autocommit=True) as other:
            worker({Kind.PULL: pull})(other)

    seen: list[Errand] = []

    def tell(_: Connection[Row], errand: Errand) -> Done:
        seen.append(errand)
        return Done()

    short = worker({Kind.COMMITMENT: tell, Kind.NOTICE: tell})
    ask(connection, *(Wanted(kind, "PACS", "1") for kind in (Kind.PULL, Kind.NOTICE, Kind.COMMITMENT)))
    thread = Thread(target=long)
    thread.start()
    try:
        assert begun.wait(60)
        assert [short(connection), short(connection), short(connection)] == [1, 1, 0]
    finally:
        go_on.set()
        thread.join(60)
    assert [one.kind for one in seen] == [Kind.COMMITMENT, Kind.NOTICE]


def test_errands_are_announced_to_who_does_them(database_url: str, connection: Connection[Row]) -> None:
    """Whoever does errands is woken by them, and by nothing else that happens."""
    with psycopg.connect(database_url, autocommit=True) as waiting:
        waiting.execute(f"LISTEN {queue.CHANNEL}")
        run(connection, one(publish([Happened("resource", {})])))
        assert list(waiting.notifies(timeout=0.2)) == []
        ask(connection, WANTED)
        (seq,) = [listed.seq for listed in run(connection, queue.waiting(everything=True))]
        run(connection, queue.retry(seq))
        run(connection, queue.begin(WANTED))
        assert len(list(waiting.notifies(timeout=60, stop_after=3))) == 3


def test_stopping_leaves_an_errand_as_it_is(connection: Connection[Row]) -> None:
    """A server that stops in the middle of an errand has not tried in vain."""
    step = doing([], StoppedError())
    ask(connection, WANTED)
    step(connection)
    assert row(connection)[0] == 0


def test_killed_worker_leaves_its_errand_to_others(database_url: str, connection: Connection[Row]) -> None:
    """A receiver is served by one worker at a time; when that worker dies another takes the errand up at once."""
    begun, go_on = Event(), Event()
    lost: list[psycopg.Error] = []

    def perform(_: Connection[Row], __: Errand) -> Done:
        begun.set()
        go_on.wait(60)
        return Done()

    def victim(doomed: Connection[Row]) -> None:
        try:
            worker(dict.fromkeys(Kind, perform))(doomed)
        except psycopg.OperationalError as error:
            lost.append(error)

    ask(connection, WANTED)
    with psycopg.connect(database_url, autocommit=True) as doomed:
        thread = Thread(target=victim, args=(doomed,))
        thread.start()
        assert begun.wait(60)
        seen: list[Errand] = []
        step = doing(seen, Done())
        assert step(connection) == 0, "it is being done"
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (doomed.info.backend_pid,))
        assert step(connection) == 1
        go_on.set()
        thread.join(60)
    assert lost
    assert len(seen) == 1


def test_ended_errands_are_forgotten(connection: Connection[Row]) -> None:
    """What ended a month ago goes."""
    ask(connection, WANTED)
    doing([], Done())(connection)
    run(connection, one(queue.sweep()))
    assert row(connection)[2]
    connection.execute("UPDATE errand SET ended = now() - interval '31 days'")
    run(connection, one(queue.sweep()))
    assert connection.execute("SELECT count(*) FROM errand").fetchone() == (0,)
