// Applies a function of core/functions.hpp to the numbers on stdin, as they lie in memory, and writes the results so.
//
//     functions exponential|logarithm|sigmoid|tanh float32|float64 narrowest|widest

#include <cstdio>
#include <string>
#include <vector>

#include "functions.hpp"

using namespace tinyglass;

template <class V>
V result(const std::string &function, V x) {
    if (function == "exponential") return exponential(x);
    if (function == "logarithm") return logarithm(x);
    return function == "sigmoid" ? sigmoid(x) : hyperbolic_tangent(x);
}

template <class T, int N>
void apply(const std::string &function) {
    using V = Vec<T, N>;
    T numbers[N] = {};
    while (const std::size_t n = std::fread(numbers, sizeof(T), N, stdin)) {
        store(numbers, result(function, load<V>(numbers)));
        std::fwrite(numbers, sizeof(T), n, stdout);
    }
}

template <class T>
int apply(const std::string &function, const std::string &width) {
    if (width == "widest")
        apply<T, widest<T>>(function);
    else
        apply<T, narrowest<T>>(function);
    return 0;
}

int main(int n, char **words) {
    if (n != 4) return 2;
    return words[2] == std::string("float32") ? apply<float>(words[1], words[3]) : apply<double>(words[1], words[3]);
}
