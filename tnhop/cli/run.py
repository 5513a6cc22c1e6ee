"""`tnhop run` and `tnhop resume`: every method of a config, with checkpoints."""

from __future__ import annotations

from pathlib import Path

from tnhop.cli.options import Changes, Flag, Format


def run(
    config: Path,
    *,
    overrides: Changes = None,
    output: str | None = None,
    overwrite: Flag = False,
    format: Format | None = None,
) -> int:
    """Run a config: every method, one HDF5 file each, one figure, and a table of final values.

    Writes NAME.h5 and NAME.png; several methods write NAME-METHOD.h5 each. NAME is the config's own
    name, in its folder, unless the config or --output says otherwise. Ctrl-C saves what there is.
    While it runs there is a checkpoint NAME.ckpt; if it ends early, `tnhop resume` goes on.

    Parameters
    ----------
    config
        A TOML file; paths inside it start from its folder.
    overrides
        KEY.PATH=VALUE, such as model.Omega=0.6 or methods.0.tolerance=1e-8; may be repeated.
    output
        Folder and name of the files to write, without ending.
    overwrite
        Replace existing files, and start anew where there is a checkpoint.
    format
        Format of the figure.
    """
    from tnhop.cli.context import ConfigFile, check_writable
    from tnhop.cli.job import job_of, run_job
    from tnhop.storage.checkpoints import remove, slots

    job = job_of(ConfigFile.read(config, overrides), output, format)
    found = [slot for path in job.checkpoints for slot in slots(path)]
    if found and not overwrite:
        raise FileExistsError(
            f"Checkpoint '{found[0]}' of an earlier run exists. Go on from it with"
            f" `tnhop resume {config}`, or start anew with `--overwrite`."
        )
    check_writable([*job.files, job.figure], overwrite)
    for path in job.checkpoints:
        remove(path)
    return run_job(job, overwrite)


def resume(
    config: Path,
    *,
    overrides: Changes = None,
    output: str | None = None,
    format: Format | None = None,
) -> int:
    """Go on with a run that was killed, interrupted or cut short; give it the same options.

    Parameters
    ----------
    config
        A TOML file; paths inside it start from its folder.
    overrides
        KEY.PATH=VALUE, as `run` was given.
    output
        Folder and name, as `run` was given.
    format
        Format of the figure.
    """
    from tnhop.cli.context import ConfigFile, check_writable
    from tnhop.cli.job import job_of, run_job
    from tnhop.storage.checkpoints import slots

    job = job_of(ConfigFile.read(config, overrides), output, format)
    if not any(slots(path) for path in job.checkpoints):
        raise FileNotFoundError(
            f"There is no checkpoint '{job.checkpoints[0]}' to go on from."
            f" Start with `tnhop run {config}`."
        )
    check_writable([*job.files, job.figure], overwrite=True)  # what there is, the run has written
    return run_job(job, overwrite=True)
