"""What several commands share: types of options, and an exit status."""

from typing import Annotated, Literal

from cyclopts import Parameter

Changes = Annotated[list[str] | None, Parameter(name="--set", negative="")]
Flag = Annotated[bool, Parameter(negative="")]
Format = Literal["png", "pdf", "svg"]

INTERRUPTED = 130  # exit status
