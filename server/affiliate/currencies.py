"""ISO 4217: the currencies that money may be in, and how many decimals each one's minor unit has.

Funds codes, precious metals and test codes are left out: nobody is paid in them.
"""

# By exponent: the digits behind the decimal point in ordinary writing.
_CODES_BY_EXPONENT = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    2: """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP
    CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS
    INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN
    MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE
    SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD XCG YER ZAR ZMW
    ZWG
    """,
}

EXPONENTS = {code: exponent for exponent, codes in _CODES_BY_EXPONENT.items() for code in codes.split()}


class UnknownCurrency(ValueError):  # noqa: N818 - named for what is so
    """Text that is no ISO 4217 code of money in use."""


def check_currency(code: str) -> str:
    """The code unchanged; raises UnknownCurrency, also for lower case."""
    if code not in EXPONENTS:
        raise UnknownCurrency("The currency must be an ISO 4217 code in capitals, such as EUR.")
    return code
