"""What gradient descent does to shallow autoencoders, statement by statement.

Import the module you need, for instance ``from aedyn import code_consistency``; nothing is loaded before that.
"""

from importlib.metadata import version

__version__ = version("aedyn")
