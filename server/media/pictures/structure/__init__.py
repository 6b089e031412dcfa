"""Whether a file is one whole picture of its type and nothing else, told without decoding a pixel."""

from server.media.pictures.structure.judgement import judge

__all__ = ["judge"]
