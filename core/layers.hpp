// The tables of arithmetic.hpp for vectors: activations with their slopes, losses, update rules.
//
// Where lanes are neurons, a layer's numbers lie in whole vectors, and the lanes behind the last
// neuron hold 0; where lanes are examples, one row of vectors belongs to each neuron.

#pragma once

#include <cstddef>

#include "arithmetic.hpp"
#include "functions.hpp"
#include "simd.hpp"

namespace tinyglass {

// ------------------------------------------------------------------ activations

struct Linear {
    template <class V>
    static V output(V sum) { return sum; }
    template <class V>
    static V delta(V error, V) { return error; }
};

struct StepFunction {
    template <class V>
    static V output(V sum) { return sum >= ElementOf<V>(step_threshold) ? V{} + 1 : V{}; }
    template <class V>
    static V delta(V, V) { return V{}; }
};

struct Sigmoid {
    template <class V>
    static V output(V sum) { return sigmoid(sum); }
    template <class V>
    static V delta(V error, V a) { return error * (a * (1 - a)); }
};

struct Tanh {
    template <class V>
    static V output(V sum) { return hyperbolic_tangent(sum); }
    template <class V>
    static V delta(V error, V a) { return error * (1 - a * a); }
};

struct Relu {
    template <class V>
    static V output(V sum) { return larger(V{}, sum); }
    template <class V>
    static V delta(V error, V a) { return a > 0 ? error : V{}; }
};

struct LeakyRelu {
    template <class V>
    static V output(V sum) { return sum > 0 ? sum : sum / 100; }
    template <class V>
    static V delta(V error, V a) { return a > 0 ? error : error * (1 / ElementOf<V>(100)); }
};

// Calls use(activation), unless it is softmax, whose neurons need each other.
template <class Use>
TINYGLASS_INLINE void with_activation(Activation activation, Use use) {
    switch (activation) {
        case Activation::linear: return use(Linear{});
        case Activation::step: return use(StepFunction{});
        case Activation::sigmoid: return use(Sigmoid{});
        case Activation::tanh: return use(Tanh{});
        case Activation::relu: return use(Relu{});
        case Activation::leaky_relu: return use(LeakyRelu{});
        case Activation::softmax: return;
    }
}

// ------------------------------------------------------------------ lanes are neurons

// 1 bits in the lanes of the first n neurons, vector by vector.
template <class V>
TINYGLASS_INLINE IntegersOf<V> lanes_before(std::size_t n) {
    IntegersOf<V> lane{};
    for (int k = 0; k < lanes_of<V>; ++k) lane[k] = k;
    return lane < IntegersOf<V>{} + static_cast<ElementOf<IntegersOf<V>>>(n);
}

// Sums [n] become outputs, in place; the lanes behind them become 0.
template <class V>
TINYGLASS_INLINE void activate_neurons(Activation activation, ElementOf<V> *a, std::size_t n) {
    using T = ElementOf<V>;
    constexpr std::size_t N = lanes_of<V>;
    const std::size_t last = (n - 1) / N * N;
    const auto inside = lanes_before<V>(n - last);
    if (activation == Activation::softmax) {
        const V none = broadcast<V>(-std::numeric_limits<T>::infinity());
        V top = inside ? load<V>(a + last) : none;
        store(a + last, top);
        for (std::size_t j = 0; j < last; j += N) top = larger(top, load<V>(a + j));
        const V largest = broadcast<V>(largest_of_lanes(top));
        V whole{};
        for (std::size_t j = 0; j <= last; j += N) {
            const V power = exponential(load<V>(a + j) - largest);
            store(a + j, power);
            whole += power;
        }
        const V share = broadcast<V>(sum_of_lanes(whole));
        for (std::size_t j = 0; j <= last; j += N) store(a + j, load<V>(a + j) / share);
        return;
    }
    with_activation(activation, [&](auto f) {
        for (std::size_t j = 0; j <= last; j += N) store(a + j, f.output(load<V>(a + j)));
    });
    store(a + last, inside ? load<V>(a + last) : V{});
}

// Errors [n] become deltas, in place; a [n]: the outputs.
template <class V>
TINYGLASS_INLINE void pass_through_neurons(Activation activation, const ElementOf<V> *a, ElementOf<V> *delta,
                                           std::size_t n) {
    constexpr std::size_t N = lanes_of<V>;
    if (activation == Activation::softmax) {
        V products{};
        for (std::size_t j = 0; j < n; j += N) products = multiply_add(load<V>(delta + j), load<V>(a + j), products);
        const V shared = broadcast<V>(sum_of_lanes(products));
        for (std::size_t j = 0; j < n; j += N) store(delta + j, load<V>(a + j) * (load<V>(delta + j) - shared));
        return;
    }
    with_activation(activation, [&](auto f) {
        for (std::size_t j = 0; j < n; j += N) store(delta + j, f.delta(load<V>(delta + j), load<V>(a + j)));
    });
}

// ------------------------------------------------------------------ loss

template <class V>
TINYGLASS_INLINE V surprise(V share, V probability) {
    return -share * logarithm(larger(broadcast<V>(ElementOf<V>(smallest_probability)), probability));
}

// The part of the loss that each lane has; where expected and output are 0, it is 0.
template <class V>
TINYGLASS_INLINE V loss_of_lanes(Loss loss, Activation output, V o, V y) {
    if (loss != Loss::cross_entropy) return (o - y) * (o - y);
    return output == Activation::sigmoid ? surprise(y, o) + surprise(1 - y, 1 - o) : surprise(y, o);
}

// What the sum of the lanes is to be multiplied with.
template <class T>
TINYGLASS_INLINE T loss_factor(Loss loss, std::size_t n_out) {
    return loss == Loss::half_squared_error ? T(0.5) : loss == Loss::mean_squared_error ? 1 / T(n_out) : T(1);
}

// Error of an output, before its slope; under cross-entropy it is already the delta.
template <class V>
TINYGLASS_INLINE V output_error(Loss loss, V o, V y, std::size_t n_out) {
    return loss == Loss::mean_squared_error ? (o - y) * (2 / ElementOf<V>(n_out)) : o - y;
}

// ------------------------------------------------------------------ update

// `plain` is SGD without L2 and without a limit, which kernels can make part of a product; `general` is
// any of the others, looked up in the rule: for kernels that would be compiled too often otherwise.
enum class Way { plain, sgd, momentum, nesterov, adam, general };

inline Way way_of(const Plan &plan) {
    switch (plan.optimizer) {
        case Optimizer::momentum: return Way::momentum;
        case Optimizer::nesterov: return Way::nesterov;
        case Optimizer::adam: return Way::adam;
        default: break;
    }
    return plan.l2 == 0 && std::isinf(plan.weight_limit) ? Way::plain : Way::sgd;
}

// The new weights, from the gradients summed over the batch. first, second: the optimiser's memory of
// these weights. squares: Σ weight², of the weights before, for the penalty. rule: a Rule<T>, or one
// whose rate, batch and corrections are vectors.
template <Way way, class V, class RuleOfUpdate>
TINYGLASS_INLINE V updated(const RuleOfUpdate &rule, V w, V sum, ElementOf<V> *first, ElementOf<V> *second,
                           V &squares) {
    using T = ElementOf<V>;
    if constexpr (way == Way::plain) {
        (void)first, (void)second, (void)squares;
        return subtract_product(broadcast<V>(rule.rate / rule.batch), sum, w);
    } else if constexpr (way == Way::general) {
        switch (rule.optimizer) {
            case Optimizer::momentum: return updated<Way::momentum>(rule, w, sum, first, second, squares);
            case Optimizer::nesterov: return updated<Way::nesterov>(rule, w, sum, first, second, squares);
            case Optimizer::adam: return updated<Way::adam>(rule, w, sum, first, second, squares);
            default: return updated<Way::sgd>(rule, w, sum, first, second, squares);
        }
    } else {
        squares = multiply_add(w, w, squares);
        const V g = multiply_add(rule.l2, w, sum / rule.batch);
        V after;
        if constexpr (way == Way::sgd) {
            after = subtract_product(broadcast<V>(rule.rate), g, w);
        } else if constexpr (way == Way::adam) {
            const V mean = multiply_add(rule.beta1, load<V>(first), rule.rest1 * g);
            const V mean_square = multiply_add(rule.beta2, load<V>(second), rule.rest2 * (g * g));
            store(first, mean);
            store(second, mean_square);
            const V divisor = square_root(mean_square * (1 / rule.correction2)) + rule.epsilon;
            after = w - rule.rate * (mean * (1 / rule.correction1)) / divisor;
        } else {
            const V velocity = multiply_add(rule.momentum, load<V>(first), g);
            store(first, velocity);
            const V direction = way == Way::momentum ? velocity : multiply_add(rule.momentum, velocity, g);
            after = subtract_product(broadcast<V>(rule.rate), direction, w);
        }
        const V limit = broadcast<V>(T(rule.weight_limit));
        return larger(-limit, smaller(limit, after));
    }
}

// n weights from their gradients, each summed over the batch; returns Σ weight², of before.
template <Way way, class V>
V update_weights(const Rule<ElementOf<V>> &rule, ElementOf<V> *w, const ElementOf<V> *sums, ElementOf<V> *first,
                 ElementOf<V> *second, std::size_t n) {
    V squares{};
    for (std::size_t k = 0; k < n; k += lanes_of<V>)
        store(w + k, updated<way>(rule, load<V>(w + k), load<V>(sums + k), first + k, second + k, squares));
    return squares;
}

template <class V>
V update_weights(Way way, const Rule<ElementOf<V>> &rule, ElementOf<V> *w, const ElementOf<V> *sums, ElementOf<V> *first,
                 ElementOf<V> *second, std::size_t n) {
    switch (way) {
        case Way::plain: return update_weights<Way::plain, V>(rule, w, sums, first, second, n);
        case Way::sgd: return update_weights<Way::sgd, V>(rule, w, sums, first, second, n);
        case Way::momentum: return update_weights<Way::momentum, V>(rule, w, sums, first, second, n);
        case Way::nesterov: return update_weights<Way::nesterov, V>(rule, w, sums, first, second, n);
        case Way::adam: return update_weights<Way::adam, V>(rule, w, sums, first, second, n);
        case Way::general: return update_weights<Way::general, V>(rule, w, sums, first, second, n);
    }
    return V{};
}

}  // namespace tinyglass
