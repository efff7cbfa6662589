"""What the numbers of a protocol may be set beside, in words."""

STANDINGS = {
    # ProtocolSpec.standing: what it means
    "official": "the rule of the benchmark's or the paper's own program, its mistakes included",
    "corrected": "the official rule without its mistakes; not the published number",
    "reconstruction": "made from descriptions: no official program can run it",
    "ours": "a rule of hps, published by nobody else",
}
