"""Where and on what a benchmark was measured, in words."""

from collections.abc import Sequence

from cifar_mlp.common.results import Document


def measured_where(environment: Document, packages: Sequence[str] | None = None) -> str:
    """Machine, versions, day and commit, as a sentence; ``packages`` are those to name, by default all."""
    found = environment.get("packages", {})
    versions = {"torch": environment["torch"], **{name: found[name] for name in found if name in (packages or found)}}
    return (
        f"{machine(environment)}, {', '.join(f'{name} {version}' for name, version in versions.items())}, "
        f"{environment['date'][:10]}, commit {str(environment['git_commit'])[:12]}."
    )


def machine(environment: Document) -> str:
    """The device and the threads, e.g. ``AMD EPYC (family 26, model 2; AVX-512), 2 threads``."""
    device, name = next((device, name) for device, name in environment["devices"].items() if name)
    return f"{environment.get('cpu', name) if device == 'cpu' else name}, {in_threads(environment['threads'])}"


def in_threads(count: int) -> str:
    """``1 thread`` or ``2 threads``."""
    return f"{count} thread{'s' if count > 1 else ''}"


def network(document: Document) -> str:
    """Hidden layers and batch size."""
    problem = document["problem"]
    return f"hidden {'-'.join(map(str, problem['hidden_sizes']))}, batch {problem['batch_size']}"


def conditions(document: Document) -> str:
    """Device, threads and rounds."""
    problem = document["problem"]
    return f"{problem['device']}, {in_threads(problem['threads'])}, {document['rounds']} rounds"
