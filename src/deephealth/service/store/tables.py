"""Every table of the service, for SQLite and PostgreSQL alike. A change here needs the next version beside it (migrate.py).

Times are seconds since 1970 in UTC (float), so that both databases keep and sort them alike. Identifiers are random, 16 hexadecimal digits,
but for what has a hash of its own. `deleted` hides a row and can be undone; the clean-up removes it for good when its time is over.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, UniqueConstraint

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ID = String(16)
_JSON = JSON(none_as_null=True)  # None is NULL, not the word null
_SHA256 = String(64)

projects = Table(
    "projects",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("salt", String(32), nullable=False),  # of the patients' keys: the same patient has another key in every project
    Column("settings", _JSON, nullable=False, default=dict),
    Column("created", Float, nullable=False),
    Column("changed", Float, nullable=False),
    Column("deleted", Float),  # when; null: not deleted
)

classes = Table(
    "classes",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("project", _ID, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String(200), nullable=False),
    Column("place", Integer, nullable=False),
    Column("deleted", Float),
)

films = Table(
    "films",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("project", _ID, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("class", _ID, ForeignKey("classes.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("blob", _SHA256, nullable=False, index=True),  # the de-identified film
    Column("thumbnail", _SHA256, nullable=False, index=True),  # a small JPEG or PNG of it, a blob too
    Column("kind", String(10), nullable=False),  # of the blob: jpeg, png, ...
    Column("name", String(400), nullable=False),  # as the user's file was called; never exported, never logged
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("patient", String(32)),  # salted hash; null: unknown
    Column("phash", String(64), nullable=False),  # perceptual hash, in hexadecimal
    Column("facts", _JSON, nullable=False, default=dict),  # novelty, why the gate refuses it, age, sex, view, whether it is synthetic
    Column("added", Float, nullable=False),
    Column("deleted", Float),
    Index("ix_films_project_added", "project", "added", "id"),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("project", _ID, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("class", _ID, ForeignKey("classes.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(400), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", _SHA256),  # as the client promised; null: no promise
    Column("added", _JSON),  # what became of it, once all bytes were there
    Column("changed", Float, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("project", _ID, ForeignKey("projects.id", ondelete="CASCADE"), index=True),
    Column("kind", String(20), nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("plan", _JSON, nullable=False),  # what it was asked to do
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("ended", Float),
    Column("attempts", Integer, nullable=False, default=0),
    Column("problem", _JSON),  # {"code", "en", "es"}; null: none
    Column("model", _SHA256),
)

models = Table(
    "models",
    metadata,
    Column("id", _SHA256, primary_key=True),  # of the file, which is a blob
    Column("name", String(200), nullable=False),
    Column("origin", String(20), nullable=False),  # shipped, trained, imported
    Column("project", _ID),  # stays when the project goes
    Column("job", _ID),
    Column("report", _SHA256),  # blobs
    Column("evaluation", _SHA256),
    Column("classroom", Boolean, nullable=False, default=False),
    Column("created", Float, nullable=False),
    Column("archived", Float),
)

settings = Table(
    "settings",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("value", _JSON, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("password", String(200), nullable=False),  # argon2id, with its parameters
    Column("role", String(10), nullable=False),
    Column("created", Float, nullable=False),
    Column("disabled", Boolean, nullable=False, default=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", _SHA256, primary_key=True),  # SHA-256 of the cookie: who reads the database cannot take over a session
    Column("user", String(60), ForeignKey("users.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("created", Float, nullable=False),
    Column("used", Float, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", _ID, primary_key=True),
    Column("sha256", _SHA256, nullable=False),
    Column("user", String(60), ForeignKey("users.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("label", String(100), nullable=False),
    Column("role", String(10), nullable=False),
    Column("created", Float, nullable=False),
    Column("used", Float),
    UniqueConstraint("sha256"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),  # 1, 2, 3: a gap is a removed entry
    Column("time", Float, nullable=False),
    Column("user", String(60), nullable=False),
    Column("action", String(60), nullable=False),
    Column("about", _JSON, nullable=False),  # identifiers and hashes, never a name of a file or patient
    Column("previous", _SHA256, nullable=False),
    Column("sha256", _SHA256, nullable=False),  # of previous and everything above
)
