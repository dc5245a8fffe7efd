#include "ml/normal_distribution.h"

#include <array>
#include <cstddef>

#include "ml/fixed_math.h"
#include "runtime/base/check.h"

namespace millrace::ml {
namespace {

constexpr double kInverseRootTwoPi = 0x1.9884533d43651p-2;
constexpr double kTableEnd = 5;
constexpr std::size_t kIntervals = 20;

// Row i expands M around the middle of [i/4, (i + 1)/4): coefficients of h^0 .. h^12, from
// (k + 1) a_{k+1} = c a_k + a_{k-1} (less 1 for k = 0), worked out with 60 digits.
using Expansion = std::array<double, 13>;
constexpr std::array<Expansion, kIntervals> kMills{{
    {{0x1.23329ae210ff4p+0, -0x1.b73359477bc03p-1, 0x1.07bf654d99433p-1, -0x1.0ed2486930653p-2,
      0x1.eda4818e0c79cp-4, -0x1.98a1d3c7999bdp-5, 0x1.3811983661eabp-6, -0x1.bcb7b04df1b3ap-8,
      0x1.2a2bdab3f25d1p-9, -0x1.7abd49742cefdp-11, 0x1.ca231a408188fp-13, -0x1.0908dd8d35029p-14,
      0x1.2661b2efc97b3p-16}},
    {{0x1.e72e927666adap-1, -0x1.494e8913997eep-1, 0x1.6bb11f0f0d1e1p-2, -0x1.5c2719abb40c6p-3,
      0x1.2a69ca3edb5bbp-4, -0x1.d385393311784p-6, 0x1.5371bbd817a09p-7, -0x1.cd922b677c9dep-9,
      0x1.282c07c663f1dp-10, -0x1.68ec5e2cb3724p-12, 0x1.a3bc97e9eb64fp-14, -0x1.d3be172cc2012p-16,
      0x1.f52e5cfcf6f12p-18}},
    {{0x1.9efe466edb8d2p-1, -0x1.f94227f56d8f9p-2, 0x1.011999f229504p-2, -0x1.cb6d8a52c4fc9p-4,
      0x1.72a0f8aa7511ap-5, -0x1.12e296e466b8dp-6, 0x1.7ba2e2041bf52p-8, -0x1.ecb975e405614p-10,
      0x1.2ea5e7987b1dfp-11, -0x1.61e88c03e2954p-13, 0x1.8bc282bfcc576p-15, -0x1.a8d496ab83dc8p-17,
      0x1.b72c6446aa514p-19}},
    {{0x1.670e47a65a82dp-1, -0x1.8ba7029ce19b2p-2, 0x1.73ea6d036f9dep-3, -0x1.3695ee8f2bb2bp-4,
      0x1.d811a94998ff7p-6, -0x1.4bb68271b6c48p-7, 0x1.b3ed159fcc0c9p-9, -0x1.0e1e743e94b8ep-10,
      0x1.3dbfc2c46afbbp-12, -0x1.64a474b117adfp-14, 0x1.7f92db95e2e2ap-16, -0x1.8cb4d83aa011fp-18,
      0x1.8bb9bb0c1528fp-20}},
    {{0x1.3adb542dfc7bap-1, -0x1.3b92829887e9ep-2, 0x1.12b1d57060103p-3, -0x1.ad7bf16e2facbp-5,
      0x1.33cdf312c54f3p-6, -0x1.9a268dec344d0p-8, 0x1.0099798b1e221p-9, -0x1.2fc96659161d9p-11,
      0x1.5651a9841fd38p-13, -0x1.70e7e131a5a02p-15, 0x1.7db3e9e37530bp-17, -0x1.7c7067df86c95p-19,
      0x1.6e45bb90c9b57p-21}},
    {{0x1.17514c7e7bec5p-1, -0x1.ffc0db48566c7p-3, 0x1.9d9c047678dc1p-4, -0x1.2f3220492f1c3p-5,
      0x1.9a531c8850f16p-7, -0x1.036f4a5d520ebp-8, 0x1.3548cc8ae0b46p-10, -0x1.5dfc09439d4acp-12,
      0x1.79f452b745456p-14, -0x1.8738fa5d89be1p-16, 0x1.858dfaa4fcacdp-18, -0x1.764611c132be1p-20,
      0x1.5bdd30b8c44f5p-22}},
    {{0x1.f49535cbfbfeep-2, -0x1.a51b11290d039p-3, 0x1.3cde6fb542d80p-4, -0x1.b4663bba11e03p-6,
      0x1.1729cee35729dp-7, -0x1.4f539f6891b05p-9, 0x1.7d2a3b024a9b3p-11, -0x1.9c85a34850de6p-13,
      0x1.ab27e159d381bp-15, -0x1.a8deff86cc585p-17, 0x1.974875ab4d962p-19, -0x1.7953b9c792a7dp-21,
      0x1.52a89842f8029p-23}},
    {{0x1.c48050a308297p-2, -0x1.5f1ed19ca164bp-3, 0x1.ed4db080c36bfp-5, -0x1.3fb112560f704p-6,
      0x1.832f5ea029e56p-8, -0x1.ba3c5feff28f3p-10, 0x1.dfb2d9bf2b30cp-12, -0x1.f0dca8d7a0b7ap-14,
      0x1.ed96d5342fb56p-16, -0x1.d7fc5e0cbd12dp-18, 0x1.b3c0db638b542p-20, -0x1.856b96201cbf1p-22,
      0x1.519de6b0a7ce2p-24}},
    {{0x1.9c2ccac41d903p-2, -0x1.2841a23e825b5p-3, 0x1.859c3986cc3c8p-5, -0x1.dc2368fa1f3bcp-7,
      0x1.1152d383d7497p-8, -0x1.292bd9fcdd95fp-10, 0x1.33debf395984dp-12, -0x1.31680a0ea010ep-14,
      0x1.233ef3c328f7cp-16, -0x1.0be10f3704179p-18, 0x1.dc97a55fc8f0cp-21, -0x1.9b0243bec2161p-23,
      0x1.585341d897c6bp-25}},
    {{0x1.79f84a0a01afcp-2, -0x1.f94940a0effa6p-4, 0x1.37d32ea9cccc6p-5, -0x1.67fbede8ccbf2p-7,
      0x1.8856659e4ceb9p-9, -0x1.96820508fd0a6p-11, 0x1.9298870291ce8p-13, -0x1.7ec7e6910ec89p-15,
      0x1.5ea3ac38e20edp-17, -0x1.366147a9648dep-19, 0x1.0a2975e07d5dbp-21, -0x1.bb30793a7a869p-24,
      0x1.66e82fb302a49p-26}},
    {{0x1.5ca93db40451fp-2, -0x1.b30ef81dd2a3cp-4, 0x1.f93b570390b3cp-6, -0x1.140012b3f47a2p-7,
      0x1.1df67ceebfa70p-9, -0x1.1aadcf1748a81p-11, 0x1.0be122be9541ep-13, -0x1.e89bb82eb0f16p-16,
      0x1.ae38293d0ccadp-18, -0x1.6eb6de6f564ebp-20, 0x1.2f4d0b9ff9d85p-22, -0x1.e7c6b6b563eacp-25,
      0x1.7dff94768d7e1p-27}},
    {{0x1.43512418e52bep-2, -0x1.79dae0e1b4872p-4, 0x1.9dde93b55b565p-6, -0x1.acba23d1e4b06p-8,
      0x1.a6e327d9fbde2p-10, -0x1.8f493090b21bfp-12, 0x1.6a66cd2ff4f02p-14, -0x1.3d478ba084b56p-16,
      0x1.0cb6c1a92b1b8p-18, -0x1.b9643a6df7e93p-21, 0x1.6048c21ee00bep-23, -0x1.11ba15ae388c9p-25,
      0x1.9ec806c469125p-28}},
    {{0x1.2d38184268d98p-2, -0x1.4ac2d0c1e1613p-4, 0x1.567f2957862c7p-6, -0x1.50fd2d1d584d3p-8,
      0x1.3ce5786264c0bp-10, -0x1.1e1fb034b8489p-12, 0x1.f1ee7931197ffp-15, -0x1.a2d4bad02f304p-17,
      0x1.55708e7ce9448p-19, -0x1.0e5ddb8bba932p-21, 0x1.a0b0bcb264d1dp-24, -0x1.3902626eac31ep-26,
      0x1.cb1254ca7b724p-29}},
    {{0x1.19ce867cd112cp-2, -0x1.239be86af9827p-4, 0x1.1e17d3147465ap-6, -0x1.0bd44c5e7c43dp-8,
      0x1.e0e59525dc636p-11, -0x1.9fafa2dce1d8dp-13, 0x1.5b1909f3fa368p-15, -0x1.18bc97eb7d18dp-17,
      0x1.b8e7a71522a64p-20, -0x1.50d14c33cfecfp-22, 0x1.f57cfc1e23e12p-25, -0x1.6c5ebf89024b9p-27,
      0x1.02bc0e0362972p-29}},
    {{0x1.08a3069eed562p-2, -0x1.02c41fff8e9f5p-4, 0x1.e21499f5415c1p-7, -0x1.ae1dc2848abb8p-9,
      0x1.712686b48e88ap-11, -0x1.31d5e7cfb8322p-13, 0x1.ea98ee01a890fp-16, -0x1.7dde36b223b91p-18,
      0x1.210f18e070626p-20, -0x1.aa57396d4dc6cp-23, 0x1.32cb6f8950744p-25, -0x1.af710ca56b3e5p-28,
      0x1.28cb3a264a4abp-30}},
    {{0x1.f2b61aeec5b59p-3, -0x1.cdf95e8b07824p-5, 0x1.99643ac0b37aep-7, -0x1.5cac1e01de111p-9,
      0x1.1e75f6bb91695p-11, -0x1.c7722cb43ae07p-14, 0x1.5f38db16c4c34p-16, -0x1.075037e989be5p-18,
      0x1.808c93b21d4b7p-21, -0x1.11f23a3645867p-23, 0x1.7d52f0f81fd08p-26, -0x1.039d3e8611ca2p-28,
      0x1.5a31a110a6e1ep-31}},
    {{0x1.d75b2f61191ddp-3, -0x1.9e9f723de1944p-5, 0x1.5e360c8a43e79p-7, -0x1.1d291c5192f26p-9,
      0x1.c11d3ab122ec9p-12, -0x1.56f3738e52cf7p-14, 0x1.fd0b92cc9d78cp-17, -0x1.6fe2363a99a9fp-19,
      0x1.035495c05e030p-21, -0x1.65270d80c9a68p-24, 0x1.e11c783fc03acp-27, -0x1.3d528a2e4d2f2p-29,
      0x1.9a539a0001b06p-32}},
    {{0x1.bebe7208c36efp-3, -0x1.75fb3466a3ea5p-5, 0x1.2d9d85c401354p-7, -0x1.d649c102c6567p-10,
      0x1.636981b3e5efcp-12, -0x1.04fabd466f80cp-14, 0x1.7526b8f9ea8f8p-17, -0x1.042bb7637c782p-19,
      0x1.625ba19469b06p-22, -0x1.d80b6ad7a136bp-25, 0x1.33de0a14c4e17p-27, -0x1.89a48b19ee2efp-30,
      0x1.edd5a00dcdfedp-33}},
    {{0x1.a87e53e063906p-3, -0x1.52def048ce117p-5, 0x1.05647061aa618p-7, -0x1.86c898feb6072p-10,
      0x1.1bc3bf73492b3p-12, -0x1.9128173c3c545p-15, 0x1.14830ac276e2ap-17, -0x1.744bc3a1c3f82p-20,
      0x1.ea39ed478cb96p-23, -0x1.3c0816f333f52p-25, 0x1.8f683bfab5463p-28, -0x1.ef44d30d29a63p-31,
      0x1.2d8bda92eddb0p-33}},
    {{0x1.944a1ae7055f7p-3, -0x1.345af367173b3p-5, 0x1.c7b4241610f43p-8, -0x1.470c8f118999fp-10,
      0x1.c8e6adc58a04ap-13, -0x1.373321210993cp-15, 0x1.9e01f21c21d84p-18, -0x1.0d520748a8edcp-20,
      0x1.5717e4ee4fd9ep-23, -0x1.ac6dfe6dc9071p-26, 0x1.0675f93e1deb5p-28, -0x1.3bcc41eec7752p-31,
      0x1.7572b05897552p-34}},
}};

double by_table(double x) {
    const auto interval = static_cast<std::size_t>(x * 4);
    const double h = x - (static_cast<double>(interval) + 0.5) * 0.25;
    const Expansion& a = kMills[interval];
    const double h2 = h * h;
    const double h4 = h2 * h2;
    const double low = (a[0] + a[1] * h) + (a[2] + a[3] * h) * h2;
    const double mid = (a[4] + a[5] * h) + (a[6] + a[7] * h) * h2;
    const double high = (a[8] + a[9] * h) + (a[10] + a[11] * h) * h2 + a[12] * h4;
    return low + (mid + high * h4) * h4;
}

// d = 1/(x + 2/(x + 3/(x + ...))), so that M = 1/(x + d). 30 levels give full precision from 5 on.
double fraction(double x) {
    double rest = x;
    for (int level = 30; level >= 2; --level) rest = x + level / rest;
    return 1 / rest;
}

double density(double t) { return fixed_exp(-0.5 * t * t) * kInverseRootTwoPi; }

// REQUIRES: x >= 0.
double mills(double x) { return x < kTableEnd ? by_table(x) : 1 / (x + fraction(x)); }

}  // namespace

double normal_cdf(double t) {
    if (t <= 0) return density(t) * mills(-t);
    return t > 0 ? 1 - density(t) * mills(t) : t;
}

double normal_quantile(double p) {
    MILLRACE_CHECK(p > 0 && p < 1);
    double low = -40;
    double high = 40;
    // Halving an interval of 80 a hundred times leaves nothing of it.
    for (int i = 0; i < 100; ++i) {
        const double middle = 0.5 * (low + high);
        (normal_cdf(middle) < p ? low : high) = middle;
    }
    return 0.5 * (low + high);
}

Truncation truncation(double t) {
    const double n = density(t);
    if (t <= -kTableEnd) {
        const double d = fraction(-t);
        const double v = -t + d;
        return {.cdf = n / v, .v = v, .w = v * d};
    }
    if (t <= 0) {
        const double m = by_table(-t);
        const double v = 1 / m;
        return {.cdf = n * m, .v = v, .w = v * (v + t)};
    }
    const double cdf = t > 0 ? 1 - n * mills(t) : t;
    const double v = n / cdf;
    return {.cdf = cdf, .v = v, .w = v * (v + t)};
}

}  // namespace millrace::ml
