"""Edge offloading: a device hands the subtasks of its jobs to edge experts as they arrive.

The problem is described in docs/problems/offloading.md. The framework is from J. Wang, H. Du,
D. Niyato et al., *Toward Scalable Generative AI via Mixture of Experts in Mobile Edge Networks*,
IEEE Wireless Communications 32(1), 2025, arXiv 2402.06942. State, action and reward are ours.

Importing this package registers the environment `dmoe_opt/EdgeOffload-v0` with gymnasium, if
gymnasium is installed.
"""

import contextlib

with contextlib.suppress(ImportError):
    import gymnasium

    gymnasium.register(
        "dmoe_opt/EdgeOffload-v0", entry_point="dmoe_opt.offload.environment:EdgeOffload"
    )
