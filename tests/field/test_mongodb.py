"""A server of MongoDB's protocol behind ssh, used by MongoDB's own client.

Debian has no MongoDB. NX-27017, from PyPI, answers its protocol with an SQLite database.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from pymongo import MongoClient

from tests.field.field import DB, Field

pytestmark = [pytest.mark.root, pytest.mark.engine, pytest.mark.timeout(120)]

DOCUMENTS = 500


@pytest.fixture(scope="module", autouse=True)
def mongodb(field: Field) -> Iterator[None]:
    folder = field.make_folder("mongodb")
    files = ("--db", "memory", "--log-file", f"{folder}/log", "--pid-file", f"{folder}/pid")
    argv = [sys.executable, "-m", "nx_27017.nx_27017", *files, "-p", "27017"]
    with field.serving("db", argv, 27017):
        yield


def test_documents_come_back_whole() -> None:
    with MongoClient(f"mongodb://{DB}:27017/", serverSelectionTimeoutMS=10_000) as client:
        noise = client.field.noise
        blobs = [os.urandom(8000) for _ in range(DOCUMENTS)]
        noise.insert_many({"_id": number, "blob": blob} for number, blob in enumerate(blobs))
        # More than one answer's worth: the rest comes by further requests for the cursor.
        found = {document["_id"]: document["blob"] for document in noise.find({}, batch_size=50)}
        assert found == dict(enumerate(blobs))
        assert noise.update_one({"_id": 7}, {"$set": {"blob": b"new"}}).modified_count == 1
        assert noise.find_one({"_id": 7}) == {"_id": 7, "blob": b"new"}
        assert noise.delete_one({"_id": 8}).deleted_count == 1
        assert noise.count_documents({}) == DOCUMENTS - 1
