"""Data sets as tensors, and a loader of minibatches.

Digits and iris come with scikit-learn and need no network. MNIST, the lecture's data set, is
optional: it is downloaded once, checked against a known checksum, and kept in a cache folder.

Data sets are `Samples(X, y)`, features and class labels, which unpack as `X, y = digits()`.
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import struct
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from lib.files import write_atomically

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
CHECKSUMS = {
    "train-images-idx3-ubyte.gz": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
    ),
    "train-labels-idx1-ubyte.gz": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
    ),
}
TIMEOUT_SECONDS = 30


class Samples(NamedTuple):
    """Features and labels of n samples.

    Attributes:
        X: Features, floating point, shape (n, ...).
        y: Class labels 0, 1, ..., shape (n,), int64.
    """

    X: Tensor
    y: Tensor

    def to(self, device: torch.device | str) -> Samples:
        """Return the same samples on another device."""
        return Samples(self.X.to(device), self.y.to(device))


class DownloadError(OSError):
    """MNIST could not be fetched, or what came is not MNIST."""


def digits(*, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Samples:
    """Return scikit-learn's handwritten digits: 1797 images of 8×8 pixels, ten classes.

    Pixels are whole numbers from 0 to 16 in the source; they are divided by 16, so they lie in
    [0, 1] as MNIST's do in the lecture's code.

    Args:
        device: Where the tensors live.
        dtype: Floating-point type of the features.

    Returns:
        Samples with X of shape (1797, 64) and y of shape (1797,).

    Source: E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI Machine
    Learning Repository, 1998 (its test part).

    >>> X, y = digits()
    >>> X.shape, X.min().item(), X.max().item(), y.unique().numel()
    (torch.Size([1797, 64]), 0.0, 1.0, 10)
    """
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return Samples(
        torch.as_tensor(X / 16, dtype=dtype, device=device),
        torch.as_tensor(y, dtype=torch.int64, device=device),
    )


def iris(*, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Samples:
    """Return Fisher's iris flowers: 150 samples, four lengths in centimeters, three classes.

    The features are not scaled; see `standardize`.

    Args:
        device: Where the tensors live.
        dtype: Floating-point type of the features.

    Returns:
        Samples with X of shape (150, 4) and y of shape (150,), 50 of each class.

    Source: R. A. Fisher, "The use of multiple measurements in taxonomic problems", Annals of
    Eugenics 7(2), 1936.

    >>> X, y = iris()
    >>> X.shape, y.bincount().tolist()
    (torch.Size([150, 4]), [50, 50, 50])
    """
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    return Samples(
        torch.as_tensor(X, dtype=dtype, device=device),
        torch.as_tensor(y, dtype=torch.int64, device=device),
    )


def split(
    samples: Samples, fraction: float, *, generator: torch.Generator
) -> tuple[Samples, Samples]:
    """Divide samples at random into two parts that share none.

    The first part has ⌊fraction · n + ½⌋ samples. Classes are left to chance, as in the lecture's
    iris figure.

    Args:
        samples: What to divide.
        fraction: Share of the first part, between 0 and 1; neither part may be empty.
        generator: Source of the permutation. The same state gives the same parts, on any device if
            the generator is a CPU one.

    Returns:
        Two `Samples`.

    Raises:
        ValueError: If a part would be empty.

    >>> train, test = split(iris(), 0.8, generator=torch.Generator().manual_seed(0))
    >>> len(train.y), len(test.y)
    (120, 30)
    """
    n = len(samples.y)
    first = math.floor(fraction * n + 0.5)
    if not 0 < first < n:
        raise ValueError(
            f"fraction {fraction} splits {n} samples into {first} and {n - first}; "
            "choose one that leaves samples in both parts."
        )
    order = torch.randperm(n, generator=generator, device=generator.device).to(samples.y.device)
    a, b = order[:first], order[first:]
    return Samples(samples.X[a], samples.y[a]), Samples(samples.X[b], samples.y[b])


def standardize(train: Samples, *others: Samples) -> tuple[Samples, ...]:
    """Scale every feature to mean 0 and standard deviation 1 on the training samples.

    x_ij := (x_ij − μ_j) / σ_j, with μ and σ (dividing by n) of the *training* set for all parts, so
    that nothing of the others leaks into training. A feature that never varies is only centered.

    Args:
        train: The samples that μ and σ are taken from.
        others: Further parts, scaled by the same μ and σ.

    Returns:
        The scaled parts, in the order given.

    >>> train, test = split(iris(), 0.8, generator=torch.Generator().manual_seed(0))
    >>> train, test = standardize(train, test)
    >>> bool(train.X.mean(0).abs().max() < 1e-5)
    True
    """
    mean = train.X.mean(0)
    std = train.X.std(0, correction=0)
    std = torch.where(std > 0, std, torch.ones_like(std))
    return tuple(Samples((part.X - mean) / std, part.y) for part in (train, *others))


class Loader:
    """Minibatches of a data set: each sample once an epoch, in a new random order every time.

    The data stay where they are, on the CPU or a GPU; a batch is one indexing operation there.
    With a CPU generator the order of the samples is the same on every device.

    Args:
        X: Features, shape (n, ...).
        y: Labels, shape (n,).
        batch_size: Samples a batch; the last batch of an epoch is shorter if n is no multiple.
        generator: Source of the order, one permutation drawn at the start of each epoch. None keeps
            the samples in their own order, for evaluation.

    Raises:
        ValueError: If X and y differ in length, there are no samples, or batch_size is below 1.

    >>> X, y = torch.arange(5.0), torch.arange(5)
    >>> loader = Loader(X, y, 2, generator=torch.Generator().manual_seed(0))
    >>> len(loader), [len(y) for _, y in loader]
    (3, [2, 2, 1])
    """

    def __init__(
        self, X: Tensor, y: Tensor, batch_size: int, *, generator: torch.Generator | None = None
    ):
        """Keep the data and the generator; see the class."""
        if len(X) != len(y):
            raise ValueError(f"X has {len(X)} samples and y has {len(y)}; they must match.")
        if len(X) == 0:
            raise ValueError("There are no samples to load; X and y are empty.")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}.")
        self.X = X
        self.y = y
        self.batch_size = batch_size
        self.generator = generator

    def __len__(self) -> int:
        """Return the number of batches an epoch."""
        return math.ceil(len(self.X) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Draw an order and go through the batches of one epoch."""
        if self.generator is None:
            yield from zip(
                self.X.split(self.batch_size), self.y.split(self.batch_size), strict=True
            )
            return
        order = torch.randperm(
            len(self.X), generator=self.generator, device=self.generator.device
        ).to(self.X.device)
        for index in order.split(self.batch_size):
            yield self.X[index], self.y[index]


def mnist(
    *,
    train: bool = True,
    folder: str | Path | None = None,
    mirrors: Sequence[str] = MIRRORS,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Samples:
    """Return MNIST, downloading it if it is not in the cache yet (11 MB the first time).

    Pixels are whole numbers from 0 to 255 in the source; they are divided by 255, as the lecture's
    `transforms.ToTensor()` does.

    Args:
        train: The 60,000 training images, or else the 10,000 test images.
        folder: Where the files are kept; by default `descent/mnist` in the user's cache folder
            (`$XDG_CACHE_HOME`, else `~/.cache`).
        mirrors: Addresses of folders that hold the four files, tried in turn.
        device: Where the tensors live.
        dtype: Floating-point type of the features.

    Returns:
        Samples with X of shape (n, 784) and y of shape (n,).

    Raises:
        DownloadError: If no mirror can be reached or none holds the right file.

    Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-based learning applied to
    document recognition", Proceedings of the IEEE 86(11), 1998.
    """
    folder = default_cache() if folder is None else Path(folder)
    part = "train" if train else "t10k"
    images = parse_idx(gzip.decompress(fetch(f"{part}-images-idx3-ubyte.gz", folder, mirrors)))
    labels = parse_idx(gzip.decompress(fetch(f"{part}-labels-idx1-ubyte.gz", folder, mirrors)))
    return Samples(
        images.flatten(1).to(device=device, dtype=dtype) / 255,
        labels.to(device=device, dtype=torch.int64),
    )


def default_cache() -> Path:
    """Return the folder in which MNIST is kept unless another is named."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "descent" / "mnist"


def fetch(name: str, folder: Path, mirrors: Sequence[str] = MIRRORS) -> bytes:
    """Return the contents of one of MNIST's files, from the cache or else from a mirror.

    A file in the cache counts only if its SHA-256 is right; a damaged one is removed and fetched
    anew. A download appears in the cache under its name only when it is whole and right.

    Args:
        name: A key of `CHECKSUMS`.
        folder: The cache; made if needed.
        mirrors: Addresses of folders, tried in turn.

    Returns:
        The bytes of the (compressed) file.

    Raises:
        DownloadError: If no mirror gave the right file; the message says what each one did.
    """
    path = folder / name
    if path.exists():
        content = path.read_bytes()
        if _is_right(name, content):
            return content
        path.unlink()
    failures = []
    for mirror in mirrors:
        url = mirror.rstrip("/") + "/" + name
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
                content = response.read()
        except (OSError, ValueError) as error:  # URLError is an OSError; ValueError: no such scheme
            failures.append(f"{url}: {getattr(error, 'reason', None) or error}")
            continue
        if not _is_right(name, content):
            failures.append(f"{url}: {len(content)} bytes with a wrong SHA-256, thrown away")
            continue
        write_atomically(path, content)
        return content
    raise DownloadError(
        f"Could not get {name} of MNIST.\n"
        + "\n".join(f"  {failure}" for failure in failures)
        + f"\nWithout a network, use lib.data.digits(), which needs none, or put the four files\n"
        f"  {', '.join(CHECKSUMS)}\ninto {folder}."
    )


def parse_idx(content: bytes) -> Tensor:
    """Read the IDX format of unsigned bytes, in which MNIST is published.

    Layout: two zero bytes, the type (8 for unsigned bytes), the number of dimensions d, then d
    sizes as big-endian 32-bit integers, then the values in row-major order.

    Args:
        content: The uncompressed file.

    Returns:
        A tensor of dtype uint8 with the sizes of the file.

    Raises:
        ValueError: If the header or the length is not that of such a file.

    Source: the format's description on the MNIST page, yann.lecun.com/exdb/mnist.

    >>> parse_idx(bytes([0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 3, 7, 8, 9]))
    tensor([[7, 8, 9]], dtype=torch.uint8)
    """
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise ValueError(
            f"Not an IDX file of unsigned bytes: it starts with {content[:4].hex(' ')!r}, "
            "expected '00 00 08' and the number of dimensions."
        )
    dimensions = content[3]
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise ValueError(f"The IDX header is cut off: {len(content)} of {start} bytes.")
    sizes = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != math.prod(sizes):
        raise ValueError(
            f"The IDX file announces sizes {sizes}, {math.prod(sizes)} values, "
            f"and holds {len(content) - start}; it is damaged."
        )
    # A bytearray, because torch warns about memory that must not be written.
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)[start:].reshape(sizes)


def _is_right(name: str, content: bytes) -> bool:
    return hashlib.sha256(content).hexdigest() == CHECKSUMS[name]
