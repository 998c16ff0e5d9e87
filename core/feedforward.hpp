// Outputs of many examples: what prediction and validation ask for.

#pragma once

#include <algorithm>
#include <vector>

#include "products.hpp"

namespace tinyglass {

template <class T>
class Feedforward {
public:
    explicit Feedforward(const std::vector<Layer> &layers)
        : n_in_(layers.front().n_in), n_out_(layers.back().n_out), net_(layers, chunk), columns_(n_in_ * chunk) {}

    // In the layout of arithmetic.hpp.
    void set_parameters(const T *parameters) { net_.set_parameters(parameters); }

    // inputs [n][n_in] -> outputs [n][n_out]
    void outputs(const T *inputs, std::size_t n, T *outputs) {
        for (std::size_t from = 0; from < n; from += chunk) {
            const std::size_t here = std::min(chunk, n - from);
            net_.set_examples(here);
            net_.to_columns(n_in_, [&](std::size_t b) { return inputs + (from + b) * n_in_; }, columns_.data());
            net_.set_inputs(columns_.data());
            T not_finite = 0;
            for (std::size_t l = 0; l < net_.connections.size(); ++l) net_.feed(l, not_finite);
            net_.finish_outputs();
            for (const Block &block : net_.blocks)
                for (std::size_t b = block.first; b < std::min(here, block.first + block.wide); ++b)
                    for (std::size_t j = 0; j < n_out_; ++j)
                        outputs[(from + b) * n_out_ + j] =
                            net_.outputs()[net_.at(block, n_out_) + j * block.wide + b - block.first];
        }
    }

private:
    static constexpr std::size_t chunk = 128;
    const std::size_t n_in_, n_out_;
    TileNetwork<T, widest<T>, widest<T>> net_;
    Buffer<T> columns_;
};

}  // namespace tinyglass
