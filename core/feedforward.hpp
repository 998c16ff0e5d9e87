// Outputs of many examples: what prediction and validation ask for.

#pragma once

#include <vector>

#include "arithmetic.hpp"

namespace tinyglass {

template <class T>
class Feedforward {
public:
    explicit Feedforward(const std::vector<Layer> &layers) : layers_(layers) {}

    // Parameters in the layout of arithmetic.hpp, which must live on.
    void set_parameters(const T *parameters) { parameters_ = parameters; }

    // inputs [n][n_in] -> outputs [n][n_out]
    void outputs(const T *inputs, std::size_t n, T *outputs) {
        const std::size_t n_in = layers_.front().n_in, n_out = layers_.back().n_out;
        for (std::size_t e = 0; e < n; ++e) {
            const T *x = inputs + e * n_in, *w = parameters_;
            for (const Layer &layer : layers_) {
                here_.resize(layer.n_out);
                weighted_sums(layer, w, x, here_.data());
                activate(layer.activation, here_.data(), layer.n_out);
                w += layer.n_parameters();
                before_.swap(here_);
                x = before_.data();
            }
            std::copy(x, x + n_out, outputs + e * n_out);
        }
    }

private:
    const std::vector<Layer> &layers_;
    const T *parameters_ = nullptr;
    std::vector<T> here_, before_;
};

}  // namespace tinyglass
