"""Cameras as their watch writes them: one row each, and the score curve of the last hour."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from avadclip.apps.service.cameras.schemas import CameraScore, CameraStatus
from avadclip.apps.service.store.database import Database
from avadclip.apps.service.store.tables import camera_scores, camera_status

CURVE_SECONDS = 3600.0  # of a camera's scores that are kept, before its newest


class CameraStore:
    """The tables of cameras. Safe from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, statuses: Sequence[CameraStatus], scores: Mapping[str, Sequence[CameraScore]]) -> None:
        """Replace the rows of these cameras, add scores by camera, and delete those older than the last hour."""
        with self._database.writing() as connection:
            for status in statuses:
                self._put(connection, camera_status, dict(status), key=("name",))
            for camera, points in scores.items():
                for point in points:
                    self._put(connection, camera_scores, {"camera": camera, **dict(point)}, key=("camera", "start"))
                if points:
                    oldest = max(point.start for point in points) - CURVE_SECONDS
                    is_old = (camera_scores.c.camera == camera) & (camera_scores.c.start < oldest)
                    connection.execute(sa.delete(camera_scores).where(is_old))

    def all(self) -> list[CameraStatus]:
        """The rows of all cameras, by name."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(camera_status).order_by(camera_status.c.name)).mappings()
            return [CameraStatus.model_validate(dict(row)) for row in rows]

    def one(self, name: str) -> CameraStatus | None:
        """The row of a camera; None for an unknown one."""
        query = sa.select(camera_status).where(camera_status.c.name == name)
        with self._database.reading() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else CameraStatus.model_validate(dict(row))

    def scores(self, camera: str) -> list[CameraScore]:
        """The score curve of a camera's last hour, in order."""
        columns = (camera_scores.c.start, camera_scores.c.score)
        query = sa.select(*columns).where(camera_scores.c.camera == camera).order_by(camera_scores.c.start)
        with self._database.reading() as connection:
            return [CameraScore.model_validate(dict(row)) for row in connection.execute(query).mappings()]

    def forget(self, before: float) -> list[str]:
        """Delete the cameras that no watch has written since this time; return their names."""
        query = sa.delete(camera_status).where(camera_status.c.written_at < before).returning(camera_status.c.name)
        with self._database.writing() as connection:
            names = list(connection.execute(query).scalars())
            if names:
                connection.execute(sa.delete(camera_scores).where(camera_scores.c.camera.in_(names)))
        return names

    def _put(self, connection: sa.Connection, table: sa.Table, values: dict[str, Any], *, key: tuple[str, ...]) -> None:
        insert = sqlite.insert if self._database.dialect == "sqlite" else postgresql.insert
        others = {name: value for name, value in values.items() if name not in key}
        connection.execute(insert(table).values(values).on_conflict_do_update(index_elements=key, set_=others))
