"""Puts the affiliate domain together from what a process has opened; it opens and closes nothing itself."""

from millrace.streams.keys import StreamKeys
from millrace.streams.redis_pipe import PipeliningRedis
from server.affiliate.publishing import SnapshotPublisher
from server.affiliate.service.link_creation import FindSlug, LinkCreation
from server.affiliate.service.links import LinkService
from server.affiliate.service.partners import PartnerService
from server.affiliate.service.programs import ProgramService
from server.affiliate.service.statistics import StatisticsService
from server.affiliate.servicer import AffiliateServicer
from server.auth.tokens import TokenMinter
from server.db.engine import Sessions
from server.jobs.enqueueing import Jobs
from server.rpc.pages import PageTokens
from server.rpc.validation import ContractRules
from server.streams.freshness import StreamFreshness


def build_affiliate(
    *,
    sessions: Sessions,
    redis: PipeliningRedis,
    keys: StreamKeys,
    jobs: Jobs,
    find_slug: FindSlug,
    minter: TokenMinter | None,
    page_tokens: PageTokens,
    rules: ContractRules,
    public_url: str,
) -> AffiliateServicer:
    """The servicer of `millrace.affiliate.v1.AffiliateService`.

    `redis`: open it with a timeout of about 0.25 s, which is the longest that a change of a link waits
    for Redis. `find_slug(product_id)` answers the slug of a product on sale, None for any other. `minter`:
    None where tokens are not to be minted. `public_url`: the base of our short URLs.
    """
    publisher = SnapshotPublisher(redis, keys)
    return AffiliateServicer(
        programs=ProgramService(sessions, public_url=public_url),
        partners=PartnerService(sessions, minter=minter),
        creation=LinkCreation(
            sessions, publisher=publisher, jobs=jobs, find_slug=find_slug, public_url=public_url
        ),
        links=LinkService(
            sessions, publisher=publisher, jobs=jobs, find_slug=find_slug, public_url=public_url
        ),
        statistics=StatisticsService(
            sessions, complete_until=StreamFreshness(redis, keys.all_clicks()).complete_until
        ),
        page_tokens=page_tokens,
        rules=rules,
        public_url=public_url,
    )
