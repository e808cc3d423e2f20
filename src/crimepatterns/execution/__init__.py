"""Run one function over many items: in this process, on all cores, or on a cluster; the answer is the same."""

from crimepatterns.execution.choosing import choose_executor
from crimepatterns.execution.cluster import DaskExecutor
from crimepatterns.execution.connecting import TlsFiles
from crimepatterns.execution.processes import JoblibExecutor
from crimepatterns.execution.serial import SerialExecutor

__all__ = ["DaskExecutor", "JoblibExecutor", "SerialExecutor", "TlsFiles", "choose_executor"]
