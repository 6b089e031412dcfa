"""The door of the affiliate domain: protobuf in, protobuf out, the caller read from context."""

from millrace.affiliate.v1.affiliate_service_pb2_grpc import AffiliateServiceServicer
from server.affiliate.service.link_creation import LinkCreation
from server.affiliate.service.links import LinkService
from server.affiliate.service.partners import PartnerService
from server.affiliate.service.programs import ProgramService
from server.affiliate.service.statistics import StatisticsService
from server.affiliate.servicer.links import LinkRpcs
from server.affiliate.servicer.partners import PartnerRpcs
from server.affiliate.servicer.programs import ProgramRpcs
from server.rpc.pages import PageTokens
from server.rpc.validation import ContractRules


class AffiliateServicer(ProgramRpcs, PartnerRpcs, LinkRpcs, AffiliateServiceServicer):
    """Every RPC of `millrace.affiliate.v1.AffiliateService`.

    Constructor: one service per group of use cases, the page tokens, the rules of the contract (for the
    settings in a mask), and the base of our short URLs. `assembly` builds it.
    """

    def __init__(
        self,
        *,
        programs: ProgramService,
        partners: PartnerService,
        creation: LinkCreation,
        links: LinkService,
        statistics: StatisticsService,
        page_tokens: PageTokens,
        rules: ContractRules,
        public_url: str,
    ) -> None:
        ProgramRpcs.__init__(self, programs, rules)
        PartnerRpcs.__init__(self, partners, page_tokens)
        LinkRpcs.__init__(self, creation, links, statistics, page_tokens, public_url)
