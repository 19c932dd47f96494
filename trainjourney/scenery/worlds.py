"""The worlds the pocket grew up in: sixteen places, each drawn by its own hand."""

import numpy as np

from .style import Style, jitter, make_style, mix

# The colours in the order of COLOURS: sky_top sky_mid sky_low sun halo cloud_lit cloud_shade haze
# | rock_lit rock_shade snow wood | hill_ground hill_stripe far_ground far_stripe mid_ground
# mid_stripe near_ground near_stripe track_ground track_stripe | leaf_lit leaf_shade wall roof
# light dark | front_lit front_shade line
# fmt: off
WORLDS: dict[str, Style] = {
    "meadow": make_style(
        "2f86d6 7cc0ee dff1f6 fff7d6 fff0c0 ffffff c3d9ec cfe6f2 8fb0c6 6489a8 ffffff 4d7f6a"
        " 7fb56a 6aa45c 9ccb62 c8d86a 86bf4c 6aa83e 6fae3c 578f30 5c8a38 a39a78"
        " 7cc04a 2f6e34 f6ead4 c4543a 3d5a78 4a3a30 3f7a30 26541f 2a3a2a",
        clouds=0.7, peaks=0.35, jag=0.4, rolling=0.6, round=1.2, bush=0.7, poplar=0.4, house=0.55,
        church=0.12, haystack=0.1, stripes=0.6, fence=0.5,
    ),
    "harvest": make_style(
        "7a96b4 c3c8bc fbdc9c fff2c4 ffe09a fff4dc d0ab98 f0d2a2 a48a86 75677a ffffff 8a6a4a"
        " c89a52 b07f40 dca94a f2cf72 cf9136 b07428 b87a2c 925a20 8a5c2c b39468"
        " f0a02c a44a1c f2e2c2 8a3a30 5c4436 3c2a22 8a4e1c 54300f 33221a",
        haze=0.85, sun_height=0.4, sun_size=18, glow=0.8, clouds=0.5, streaks=0.5, round=1.4,
        poplar=0.7, house=0.4, church=0.18, haystack=0.6, bush=0.3, rolling=0.8, gouache=1.0,
        fence=0.4, stripes=0.9,
    ),
    "winter": make_style(
        "8fb0d4 bcd2e6 f2f4f6 fffbee fff4e0 ffffff ccd8e6 e2eaf2 aabdd6 7088ac ffffff 5c7890"
        " dbe6f0 bccddf f0f5fa d2dfec f6f9fc cddbe9 eef3f8 c4d3e4 dfe6ee a9b3c0"
        " 6d9a94 244a58 b0805c f2f6fa ffd27a 4a3c3a e4edf5 aabfd6 26343f",
        clouds=0.5, streaks=0.7, peaks=0.75, jag=0.9, snowline=0.8, conifer=1.8, bare=0.25,
        house=0.35, church=0.08, rolling=0.5, stripes=0.4, fence=0.5, sun_height=0.35,
    ),
    "city": make_style(
        "060a22 141c48 46386e fdf6dc 8a8ac0 2a3260 161c40 2e2c5c 1e2650 141a3c 3a4478 101630"
        " 141838 2a2c58 161a38 30325c 10142c 24284a 0e1226 20243e 0c1020 3c3e54"
        " 1c3c44 0c1c26 232a54 11142e ffd070 06080f 0a0e1c 05070f 05060c",
        haze=0.45, sun_height=0.78, sun_size=11, glow=0.3, stars=0.9, clouds=0.25, streaks=0.8,
        peaks=0.12, jag=0.2, rolling=0.2, tower=3.0, house=0.15, round=0.25, density=1.5,
        stripes=0.3, fence=0.6, grass=0.3, neon=0.15,
    ),
    "mesa": make_style(
        "3c3a78 b8607a ffb45e fff3bc ffcf80 ffc890 a85a70 f5a66c cc6a48 84405a ffe0b0 8a5040"
        " c06a44 a85438 e09656 c87a44 e8a45c cc8446 d88c4a b4683a a8623c caa080"
        " 9cae52 3c5238 ecc898 a8502e ffe4a0 3a2228 6a3a2a 3c2024 2e1a20",
        haze=0.75, sun_height=0.3, sun_size=26, glow=1.0, clouds=0.3, streaks=1.0, peaks=0.6,
        jag=0.1, mesa=1.0, cactus=2.0, rock=0.9, bush=0.35, density=0.8, rolling=0.3, stripes=0.5,
        house=0.06, grass=0.25,
    ),
    "coast": make_style(
        "1c8fd0 6cc8ea e2f6f0 fffce4 fff6d0 ffffff b8dcec d0eef0 86b4bc 5a92a6 ffffff 3f8a6a"
        " 2f9fc4 6cc6d8 22a8c0 7fdcdc f2e2b2 e0ca90 f6e8bc e2cd94 e4cf9c b9a274"
        " 6cc45a 1f6e4c fffaf0 e8663e 4a90b0 5a4434 7cab54 3f6f3c 3a3a34",
        clouds=0.7, peaks=0.25, jag=0.3, water=1.0, palm=1.6, boat=1.0, lighthouse=0.35,
        house=0.25, bush=0.4, rolling=0.15, stripes=0.8, gouache=0.5, fence=0.4, rock=0.15,
        density=0.9,
    ),
    "woodblock": make_style(
        "1f4a86 9cc0c0 f6e6c4 e2482e f2c09a f8f0de d8c8a8 efe0bc 44709a 28507c fbf6ea 3c6a60"
        " 6f9c84 8cb494 a8b880 c8c890 c4bc7c a8a468 8aa86c 6c8c58 8c8458 b8a880"
        " 5c946c 1d4644 f0e0bc a83e2c f6dca0 2c2622 2a5048 16302f 14202c",
        haze=0.45, sun_height=0.5, sun_size=22, glow=0.1, clouds=0.3, streaks=1.2, peaks=0.95,
        jag=0.15, volcano=1.0, snowline=0.75, conifer=0.8, round=0.4, torii=0.45, house=0.4,
        boat=0.2, print=1.0, rolling=0.5, stripes=0.5, fence=0.5, water=0.3,
    ),
    "neon": make_style(
        "0a0326 3a0f70 ff4aa2 ffe46a ff70b0 7c2c96 2c1060 b8389c 4a2a9c 1e0a4a 66f0ff 2a1060"
        " 2a0c5c ff4ac0 1c0844 20d0e8 14062e ff3cb4 100426 28d8f0 0c031e 8040ff"
        " 30e8d8 1a2c78 2c1468 180838 46f4ff 0a0420 120428 060112 ff58d0",
        haze=0.4, sun_height=0.25, sun_size=36, glow=0.9, stars=0.7, clouds=0.15, streaks=1.0,
        peaks=0.6, jag=0.9, palm=1.2, tower=1.3, density=0.9, rolling=0.15, stripes=1.0, neon=1.0,
        grass=0.3, fence=0.2,
    ),
    "blossom": make_style(
        "7fb2e0 c0d6ea fde6ea fff6e8 ffe8e4 ffffff e6cede f6dfe6 a6b4d0 8290b4 ffffff 86a488"
        " a8c894 92b884 c2dc96 f0c8d8 aed07c 94bc68 98c468 f4b8cc 90a868 c0ac98"
        " ffc4d6 cc6c94 faf2e8 56607e ffe8b0 5a4246 8ab060 5c8440 4a3a44",
        clouds=0.6, peaks=0.7, volcano=0.7, jag=0.3, snowline=0.6, round=2.2, house=0.3,
        torii=0.15, bush=0.2, dots=0.55, rolling=0.6, stripes=0.7, fence=0.4,
    ),
    "mist": make_style(
        "a9b4b8 d2d4ce f0eadc fdf8ea f6efe0 f4f0e6 c4c4bf ebe5d8 9ca4a8 747e84 f8f6f0 6a7678"
        " a8aea8 989e98 bcbcae a8a89c a8aa9a 8e9284 8c9282 747a6c 70746a 9a9488"
        " 6c7670 343c3c d6cec0 5c524c f6e2b0 26282a 444a44 282c2a 16181a",
        haze=1.15, sun_height=0.55, sun_size=16, glow=0.5, clouds=0.15, streaks=1.0, peaks=0.85,
        jag=0.8, conifer=1.0, bare=0.9, poplar=0.3, torii=0.06, house=0.12, rolling=0.9, ink=1.0,
        stripes=0.3, rock=0.2,
    ),
    "fjord": make_style(
        "0c2240 1c5a6c 78d0a0 f4f6e4 9af0b8 4a8a8c 1e4a5c 4a8488 3c5c74 1c344e d8eaf0 1c4440"
        " 1f4a62 2e6478 17506c 3c8c94 1a4a50 2a6460 2c5448 3c6c54 2c4640 6a7470"
        " 4c8860 12342f c8402f 3a2a30 ffdc8a 14181e 1c3a34 0c201f 0a1418",
        haze=0.5, sun_height=0.75, sun_size=9, glow=0.5, stars=0.8, clouds=0.1, streaks=1.4,
        peaks=1.0, jag=1.0, snowline=0.55, water=1.0, conifer=1.2, house=0.7, boat=0.5, rock=0.4,
        gouache=0.8, rolling=0.5, stripes=0.6,
    ),
    "ember": make_style(
        "2a0c18 8c1e24 f4782c ffe09c ff9a4c d85030 5c1a24 d85c34 6a2430 38121e ff9a5a 2a0e14"
        " 4a1620 6a2226 341018 5c1c20 260a10 4a161a 1a060a 38100f 14060a 4a2420"
        " 4a1a1c 16060a 3c1014 1e080c ffb04a 080204 120406 060102 050102",
        haze=0.6, sun_height=0.32, sun_size=34, glow=0.9, clouds=0.2, streaks=1.5, peaks=0.6,
        jag=0.7, bare=1.6, tower=0.3, church=0.25, rock=0.4, house=0.2, print=0.5, rolling=0.7,
        stripes=0.4, fence=0.7,
    ),
    "riviera": make_style(
        "4a78c8 8cb0e4 f8dcb8 fff0c0 ffd8a0 fff2e0 d4a8b4 e8cccc 8c94cc 6a70b0 ffffff 5c8c8c"
        " 5aa0b8 7cb8c4 4c98c8 f0c08c d8c46c e8a860 a8b85c d89858 a88c58 d0b890"
        " a8cc5c 3c6a7c fce4c4 e0683c 6078b0 54486c 6a9a54 3c5c6c 4a4070",
        clouds=0.5, peaks=0.45, jag=0.5, water=0.7, poplar=1.3, round=0.7, house=0.7, boat=0.5,
        church=0.2, dots=1.0, rolling=0.5, stripes=0.9, density=1.1,
    ),
    "elsewhere": make_style(
        "0f3c4c 2c8c8c d4f0b0 f8ffe0 c8ffd0 e0f4c8 6cb0a0 a8dcb8 b07cb8 6c4490 f4e8ff 5c3c80"
        " 8c5ca4 a878b8 b46cac d49cc4 9a4c94 c080b0 7c3c80 a4609c 5c2c68 9c80a0"
        " ffd45c c8603c d8c8f0 5c3c80 d8ff90 34183c 5c2464 300f3c 24102c",
        haze=0.7, sun_height=0.6, sun_size=30, glow=0.5, stars=0.3, clouds=0.4, streaks=0.6,
        peaks=0.9, jag=0.5, mesa=0.5, cactus=0.7, round=0.8, poplar=0.5, tower=0.25, rock=0.8,
        rolling=0.8, stripes=0.7,
    ),
    "blueprint": make_style(
        "12408c 174a9a 1f58aa e8f2ff 5c90d8 2a66b8 1a509e 2058a8 1c54a4 184c98 3470c0 184a94"
        " 1b509c 2460ae 1b509c 2866b4 1a4c98 2460ae 184892 2360ac 164488 2a68b6"
        " 2a68b8 194a94 2462b0 1a4e9a cfe4ff 123c80 174690 113870 e4f0ff",
        haze=0.2, sun_height=0.6, sun_size=20, glow=0.1, clouds=0.5, streaks=0.3, peaks=0.6,
        jag=0.8, house=0.7, tower=0.5, round=0.7, church=0.3, poplar=0.3, ink=1.3, rolling=0.5,
        stripes=0.9, fence=0.8,
    ),
    "moonlit": make_style(
        "0a1838 1c3c6c 5c8cac fdfbe8 a8c8e0 6c94b4 2c4c78 4c7494 3c5c84 243c60 d4e4f4 1c3850"
        " 2c4c64 3c607c 2f546c 4a7890 2a4a58 3c6270 223e48 34545c 1c323c 44586a"
        " 4c8080 14303c 5c6c88 2c3450 ffd88c 10181f 16303a 0a1a22 081018",
        haze=0.7, sun_height=0.7, sun_size=20, glow=0.7, stars=0.6, clouds=0.5, streaks=0.6,
        peaks=0.6, jag=0.6, snowline=0.3, round=1.0, conifer=0.7, house=0.6, church=0.2, bare=0.2,
        water=0.3, gouache=0.7, rolling=0.8,
    ),
}
# fmt: on


def draw_style(rng: np.random.Generator) -> Style:
    """A random world: one of the sixteen with its own weather, or a mixture of two."""
    names = list(WORLDS)
    a, b = rng.choice(len(names), 2, replace=False)
    t = float(rng.beta(0.5, 0.5)) if rng.random() < 0.3 else 0.0
    return jitter(mix(WORLDS[names[a]], WORLDS[names[b]], t), rng, 0.7)
