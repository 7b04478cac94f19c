"""Bodies in XML that are none, or no resources."""

from __future__ import annotations

from random import Random

from healix_fhir.model.xml import encode as xml
from tests.support.malformed.sent import XML, Sent, pick, resource, written


def text(chance: Random) -> Sent:
    """Bytes that are no XML, or XML that must not be read."""
    whole = resource(chance)
    body = xml.encode(whole)
    head, root = body[:38], body[38:]
    place = chance.randrange(1, len(body) - 1)
    inside = chance.choice([n for n in range(len(body)) if body[n : n + 2] == b"</"] or [place])
    entity = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    external = b'<!DOCTYPE x [<!ENTITY b SYSTEM "file:///etc/passwd">]>'
    damaged = pick(
        chance,
        lambda: body[:place],
        lambda: body + chance.choice([b"<a/>", b"x", b"</a>"]),
        lambda: chance.choice([b"", b" ", b"<", b"<a>", b"{}", b"\x00", b"<?xml?>", b"&lt;", b"\xef\xbb\xbf"]),
        lambda: head + chance.choice([entity, external, b"<!DOCTYPE x>"]) + root,
        lambda: (
            body[:inside]
            + chance.choice([b"&b;", b"&#0;", b"&#xD800;", b"\x01", b"\xff", b"<", b"]]>", b"&"])
            + body[inside:]
        ),
        lambda: body.replace(b'encoding="UTF-8"', b'encoding="%s"' % chance.choice([b"latin-1", b"UTF-16", b"x"])),
        lambda: root.decode().encode(chance.choice(["utf-16", "utf-16-be", "utf-32"])),
        lambda: root.replace(b'xmlns="http://hl7.org/fhir"', chance.choice([b"", b'xmlns="urn:x"', b'xmlns=""']), 1),
        lambda: root.replace(b">", b' a="1" a="2">', 1),
    )
    return written(chance, damaged, whole["resourceType"], chance.choice([XML, "application/xml", "text/xml"]))


def tree(chance: Random) -> Sent:
    """XML that is no resource."""
    whole = resource(chance)
    body = xml.encode(whole)
    ends = [n for n in range(len(body)) if body[n : n + 2] == b"/>"]
    end = chance.choice(ends)
    last = body.rindex(b"</")
    deep = b'<extension url="a">' * chance.choice([70, 200, 3000])
    damaged = pick(
        chance,
        lambda: (
            body[:end]
            + chance.choice([b' x="1"', b' value=""', b' xml:lang="de"', b' y:x="1" xmlns:y="urn:y"'])
            + body[end:]
        ),
        lambda: (
            body[:last] + chance.choice([b"text", b"<nothing/>", b"<![CDATA[x]]>", b"<id value='last'/>"]) + body[last:]
        ),
        lambda: body[:last] + deep + body[last:],
        lambda: body[:last] + deep + b"</extension>" * deep.count(b"<") + body[last:],
        lambda: body.replace(b"<%s " % whole["resourceType"].encode(), b"<Nobody ").replace(
            b"</%s>" % whole["resourceType"].encode(), b"</Nobody>"
        ),
        lambda: body[: end + 2] + b"<x>" * 2000 + b"</x>" * 2000 + body[end + 2 :],
    )
    return written(chance, damaged, whole["resourceType"], XML)
