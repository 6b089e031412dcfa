"""Reads and locks the program's one row."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from server.affiliate.models import PROGRAM_ID, Program


class ProgramRepository:
    """The program as one session sees it."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def read(self) -> Program:
        """The program; its row exists from the first migration on."""
        found = await self._session.scalars(select(Program).where(Program.program_id == PROGRAM_ID))
        return found.one()

    async def lock(self) -> Program:
        """The program, held against other writers until the transaction ends."""
        query = select(Program).where(Program.program_id == PROGRAM_ID).with_for_update()
        return (await self._session.scalars(query)).one()
