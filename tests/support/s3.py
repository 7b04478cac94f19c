"""An S3 service on a socket of its own: moto's server, which speaks Amazon's protocol."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"
KEY, SECRET = "access", "secret"


@dataclass
class Bucket:
    """A bucket of its own, and the service behind it, which can go away and come back with what it holds."""

    server: ThreadedMotoServer
    endpoint: str
    name: str = field(default_factory=lambda: f"images-{secrets.token_hex(4)}")

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a server that keeps its images here, below the prefix `clinic`."""
        return {
            "blob_url": f"s3://{self.name}/clinic",
            "blob_endpoint": self.endpoint,
            "blob_region": REGION,
            "blob_access_key": KEY,
            "blob_secret_key": SECRET,
        }

    def client(self, service: str = "s3") -> Any:
        """Amazon's own client."""
        keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **keys)

    def objects(self) -> dict[str, int]:
        """Sizes of what is visible, by key."""
        found = self.client().list_objects_v2(Bucket=self.name).get("Contents", [])
        return {item["Key"]: item["Size"] for item in found}

    def images(self) -> dict[str, int]:
        """Sizes of the images of a server with these settings, by key, however many there are."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix="clinic/")
        return {one["Key"].removeprefix("clinic/"): one["Size"] for page in pages for one in page.get("Contents", [])}

    def uploads(self) -> int:
        """How many uploads in parts are under way."""
        return len(self.client().list_multipart_uploads(Bucket=self.name).get("Uploads", []))

    def stop(self) -> None:
        """Nobody listens any more."""
        self.server.stop()

    def start(self) -> None:
        """The same again, on the same port."""
        port = int(self.endpoint.rpartition(":")[2])
        self.server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
        self.server.start()


@contextmanager
def bucket() -> Iterator[Bucket]:
    """An empty bucket until the block ends."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    made = Bucket(server, f"http://{host}:{port}")
    try:
        made.client().create_bucket(Bucket=made.name, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield made
    finally:
        made.stop()
