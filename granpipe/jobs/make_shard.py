"""What a worker does for `--shards`: the arrays of some samples -> one tar file."""

import hashlib
import json
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from granpipe.dataset.arrays import begin_change
from granpipe.dataset.names import SHARDS
from granpipe.dataset.record import ShardRecord
from granpipe.dataset.shards import Form, Sample, ShardWriter
from granpipe.engines.worker import Steps, extend_deadline
from granpipe.errors import DatasetError
from granpipe.stores.protocol import Store
from granpipe.stores.urls import join

_SECONDS_A_SAMPLE = 1.0  # where a bucket is far away


@dataclass(frozen=True, slots=True)
class ShardJob:
    """A shard to make: its path without .tar."""

    name: str
    key: str  # see `granpipe.dataset.record.ShardRecord`
    packed: bytes  # its samples as `pack` packs them: rows are long, and many jobs wait


def pack(samples: Sequence[Sample]) -> bytes:
    """Return samples in few bytes."""
    return zlib.compress(json.dumps(samples).encode(), 1)


def unpack(packed: bytes) -> list[Sample]:
    """Return what was packed."""
    return [Sample(*values) for values in json.loads(zlib.decompress(packed))]


@dataclass(frozen=True, slots=True)
class MakeShard(Steps):
    """Write a shard, in a worker; DatasetError where an array is not as recorded."""

    dataset: Store
    output: Store
    form: Form
    refusal: str = ""

    @property
    def ahead(self) -> int:
        return max(self.dataset.ahead, self.output.ahead)

    def sample(self, job: ShardJob) -> tuple[Store, str]:
        return self.dataset, unpack(job.packed)[0].path

    def weight(self, job: ShardJob) -> int:
        return len(job.packed)

    def fetch(self, job: ShardJob) -> None:
        """Leave all to `work`, which reads array by array: a shard may be larger than memory."""

    def work(self, job: ShardJob, fetched: None) -> ShardRecord:
        if self.refusal:
            raise DatasetError(self.refusal)
        samples, path = unpack(job.packed), job.name + ShardRecord.suffix
        extend_deadline(_SECONDS_A_SAMPLE * len(samples))
        begin_change(self.output, SHARDS)  # type: ignore[arg-type]
        with self.output.writer(path) as file:
            writer = ShardWriter(file, self.form)
            for sample, data in zip(samples, self._arrays(samples), strict=True):
                writer.add(sample, data)
            digest = writer.close()
        version = self.output.version(path)
        return ShardRecord(job.key, len(samples), writer.size, digest, version)

    def _arrays(self, samples: Sequence[Sample]) -> Iterator[bytes]:
        """Yield the bytes of each sample's array, in their order; of a bucket, some ahead."""
        if not self.dataset.ahead:
            yield from map(self._array, samples)
            return
        with ThreadPoolExecutor(2 * self.dataset.ahead) as threads:
            reading: deque[Future[bytes]] = deque()
            for sample in samples:
                reading.append(threads.submit(self._array, sample))
                if len(reading) > 2 * self.dataset.ahead:
                    yield reading.popleft().result()
            while reading:
                yield reading.popleft().result()

    def _array(self, sample: Sample) -> bytes:
        place = join(self.dataset.url, sample.path)
        try:
            data = self.dataset.read(sample.path)[0]
        except OSError as error:
            why = error.strerror or error
            raise DatasetError(f"{place}: {why}; fix that, then run again") from error
        if hashlib.sha256(data).hexdigest() != sample.array_sha256:
            raise DatasetError(f"{place}: is not as granpipe wrote it; run again with --verify")
        return data
