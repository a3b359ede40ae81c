"""What a submission may use."""

from __future__ import annotations

from dataclasses import asdict, dataclass

MiB = 2**20


@dataclass(frozen=True)
class Limits:
    """Bounds on one submission. What exceeds one fails the exercises it concerns, nothing else.

    Attributes:
        cell_seconds: Wall time of one cell of the student's.
        check_seconds: Wall time of one test cell.
        notebook_seconds: Wall time of the whole submission.
        cpu_seconds: CPU time of one process of the student's.
        memory: Bytes that the student's processes may have beside what they start with.
        processes: Processes and threads at once.
        open_files: Open files of one process.
        file_bytes: Size of one file that the student's code writes.
        disk_bytes: Size of everything in its private folders together.
        output_bytes: Text that one cell's outputs may hold.
        image_bytes: Images that one cell's outputs may hold.
        message_bytes: Size of one message on the wire.
        message_items: Values in one message.
        message_depth: How deep values in a message may be nested.
        callbacks: How often one call may call back.
        restarts: How often the student's process is started again after it died.
        notebook_bytes: Size of the submitted notebook.
        extra_bytes: Size of all other submitted files together.
        extra_files: Number of other submitted files.
    """

    cell_seconds: float = 120.0
    check_seconds: float = 60.0
    notebook_seconds: float = 600.0
    cpu_seconds: int = 600
    memory: int = 2048 * MiB
    processes: int = 64
    open_files: int = 256
    file_bytes: int = 64 * MiB
    disk_bytes: int = 128 * MiB
    output_bytes: int = MiB // 4
    image_bytes: int = 4 * MiB
    message_bytes: int = 64 * MiB
    message_items: int = 500_000
    message_depth: int = 32
    callbacks: int = 20_000
    restarts: int = 3
    notebook_bytes: int = 20 * MiB
    extra_bytes: int = 32 * MiB
    extra_files: int = 100

    def plain(self) -> dict:
        """Return the limits as a dictionary, to be sent."""
        return asdict(self)
