// Products of matrices, tile by tile, the layouts they read, and the feedforward of many examples.
//
// Letters: b an example of the chunk, i an input of a layer, o a neuron, l a layer; V a vector of N
// numbers. A tile is R rows of E vectors, whose sums stay in registers while k runs over what is
// summed: sum[r][e] += a[r][k] · b[k][e], a being broadcast.
//
// Two layouts hold the same numbers, so that every product reads its b in order:
//   columns  [block of examples][i][lanes: examples]     for the feedforward
//   panels   [panel of inputs][b][lanes: inputs]         for errors and gradients
// A block is up to E_max vectors of examples, a panel E_max vectors of inputs (the last may have
// fewer). Weights lie in panels too: [panel of inputs][o][lanes: inputs]. All three products read
// them in that one layout; a panel's block of neurons serves errors and gradients while it is in cache.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <limits>
#include <vector>

#include "buffer.hpp"
#include "layers.hpp"
#include "team.hpp"

namespace tinyglass {

constexpr int E_max = 3;  // vectors of a panel and of a block
// Rows of a tile: as many as leave registers for the b of one step. (Tiles of doubles are lower, as every
// height is code of its own.)
template <int E, class T>
constexpr int R_max = sizeof(T) == 8 || (n_registers == 16 && E == 3) ? 4 : n_registers == 16 ? 6 : 8;


// ------------------------------------------------------------------ one tile

template <int R, int E, class V>
struct Tile {
    using T = ElementOf<V>;
    static constexpr std::size_t N = lanes_of<V>;
    V sum[R][E];

    TINYGLASS_INLINE void clear() {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int e = 0; e < E; ++e) sum[r][e] = V{};
    }

    // a(r, k) = a[r * a_row + k * a_step], b(k) = E vectors from b[k * b_step]
    TINYGLASS_INLINE void add_products(std::size_t n, const T *a, std::size_t a_row, std::size_t a_step, const T *b,
                                       std::size_t b_step) {
        for (std::size_t k = 0; k < n; ++k, a += a_step, b += b_step) {
            V step[E];
#pragma GCC unroll 4
            for (int e = 0; e < E; ++e) step[e] = load<V>(b + e * N);
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                const V factor = broadcast<V>(a[r * a_row]);
#pragma GCC unroll 4
                for (int e = 0; e < E; ++e) sum[r][e] = multiply_add(factor, step[e], sum[r][e]);
            }
        }
    }

    // Row r begins at p + r * row.
    TINYGLASS_INLINE void load_from(const T *p, std::size_t row) {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int e = 0; e < E; ++e) sum[r][e] = load<V>(p + r * row + e * N);
    }
    TINYGLASS_INLINE void store_to(T *p, std::size_t row) const {
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int e = 0; e < E; ++e) store(p + r * row + e * N, sum[r][e]);
    }
};

template <int n>
using Constant = std::integral_constant<int, n>;

// Calls use(Constant<n>{}) for an n known only now, 1 .. most.
template <int most, class Use>
TINYGLASS_INLINE void with_constant(int n, Use use) {
    if constexpr (most > 1)
        if (n < most) return with_constant<most - 1>(n, use);
    use(Constant<most>{});
}

// Cuts rows from .. to into tiles of nearly the same height; calls use(Constant<rows>, first row).
template <int most, class Use>
TINYGLASS_INLINE void for_tiles(std::size_t from, std::size_t to, Use use) {
    std::size_t tiles = (to - from + most - 1) / most;
    for (; from < to; --tiles) {
        const auto rows = static_cast<int>((to - from + tiles - 1) / tiles);
        with_constant<most>(rows, [&](auto R) { use(R, from); });
        from += rows;
    }
}

// ------------------------------------------------------------------ layouts

// n numbers of a row in panels of E_max vectors: where panel p of `rows` rows begins, how wide it is.
template <int N>
struct Panels {
    static constexpr std::size_t width = E_max * N;
    std::size_t n = 0;

    std::size_t count() const { return (n + width - 1) / width; }
    std::size_t padded() const { return rounded_up(n, N); }
    std::size_t first(std::size_t p) const { return p * width; }
    std::size_t inside(std::size_t p) const { return std::min(width, n - p * width); }           // numbers
    std::size_t wide(std::size_t p) const { return std::min(width, padded() - p * width); }      // with lanes behind
    std::size_t at(std::size_t p, std::size_t rows) const { return p * width * rows; }
};

// Examples in blocks of at most E_max vectors, nearly equal.
struct Block {
    std::size_t first, wide;  // of the examples, in lanes
    int vectors;
};

inline std::vector<Block> blocks_of(std::size_t n_examples, std::size_t N) {
    std::vector<Block> blocks;
    std::size_t vectors = (n_examples + N - 1) / N, from = 0;
    for (std::size_t count = (vectors + E_max - 1) / E_max; count > 0; --count) {
        const std::size_t here = (vectors + count - 1) / count;
        blocks.push_back({from * N, here * N, static_cast<int>(here)});
        from += here;
        vectors -= here;
    }
    return blocks;
}

// ------------------------------------------------------------------ feedforward

// N lanes for inputs and neurons, NE lanes for examples.
template <class T, int N, int NE>
class TileNetwork {
public:
    using V = Vec<T, N>;
    using VE = Vec<T, NE>;

    struct Connections {
        Layer layer;
        Panels<N> inputs;  // in panels
        Buffer<T> weights, bias;
        std::size_t n_weights() const { return inputs.padded() * layer.n_out; }
    };

    TileNetwork(const std::vector<Layer> &layers, std::size_t chunk) : chunk(chunk) {
        for (const Layer &layer : layers) {
            const Panels<N> inputs{layer.n_in};
            connections.push_back({layer, inputs, Buffer<T>(inputs.padded() * layer.n_out),
                                   Buffer<T>(rounded_up(layer.n_out, N))});
            signals_.emplace_back(layer.n_out * rounded_up(chunk, NE));
        }
    }

    const std::size_t chunk;  // examples at most
    Team team;
    std::vector<Connections> connections;
    std::vector<Block> blocks;  // of the examples at hand

    // From the layout of arithmetic.hpp, [i][o], and back; `weights` may be the optimiser's memory.
    static void pack(const Connections &c, const T *from, T *weights, T *bias) {
        std::fill_n(weights, c.n_weights(), T(0));  // also the lanes behind, where a diverging training left NaN
        for_each_weight(c, [&](std::size_t packed, std::size_t plain) { weights[packed] = from[plain]; });
        std::fill_n(bias, rounded_up(c.layer.n_out, N), T(0));
        if (c.layer.bias) std::copy_n(from + c.layer.n_in * c.layer.n_out, c.layer.n_out, bias);
    }
    static void unpack(const Connections &c, const T *weights, const T *bias, T *to) {
        for_each_weight(c, [&](std::size_t packed, std::size_t plain) { to[plain] = weights[packed]; });
        if (c.layer.bias) std::copy_n(bias, c.layer.n_out, to + c.layer.n_in * c.layer.n_out);
    }

    void set_parameters(const T *parameters) {
        for (Connections &c : connections) {
            pack(c, parameters, c.weights.data(), c.bias.data());
            parameters += c.layer.n_parameters();
        }
    }

    // Where the columns of one block begin, each of n rows.
    static std::size_t at(const Block &block, std::size_t n) { return block.first * n; }

    void set_examples(std::size_t n) {
        if (n == n_examples_) return;
        n_examples_ = n;
        blocks = blocks_of(n, NE);
    }

    // Columns of n numbers of each example, from rows: row(b) is read to the last number and no
    // further. Lanes behind the last example become 0.
    template <class Row>
    void to_columns(std::size_t n, Row row, T *to) {
        team.share((n + NE - 1) / NE, 16 * n * n_examples_, [&](std::size_t from, std::size_t end) {
            const std::size_t first = from * NE, width = std::min(end * NE, n) - first;
            for (const Block &block : blocks) {
                const std::size_t here = std::min(n_examples_ - block.first, block.wide);
                transpose_rows<VE>(here, width, [&](std::size_t b) { return row(block.first + b) + first; },
                                   to + at(block, n) + first * block.wide, block.wide);
            }
        });
    }

    // Columns of the first layer's inputs, from panels of `chunk` rows: [panel of inputs][b].
    void panels_to_columns(const T *panels, T *to) {
        const Panels<N> &layout = connections.front().inputs;
        team.share(layout.count(), 16 * layout.n * n_examples_, [&](std::size_t from, std::size_t end) {
            for (std::size_t p = from; p < end; ++p)
                for (const Block &block : blocks) {
                    const T *rows = panels + layout.at(p, chunk) + block.first * layout.wide(p);
                    const std::size_t here = std::min(n_examples_ - block.first, block.wide);
                    transpose_rows<VE>(here, layout.inside(p), [&](std::size_t b) { return rows + b * layout.wide(p); },
                                       to + at(block, layout.n) + layout.first(p) * block.wide, block.wide);
                }
        });
    }

    // Columns that are fed forward; they must live on.
    void set_inputs(const T *columns) { inputs_ = columns; }

    // Columns: inputs of layer l, outputs of the network.
    const T *inputs_of(std::size_t l) const { return l == 0 ? inputs_ : signals_[l - 1].data(); }
    const T *outputs_of(std::size_t l) const { return signals_[l].data(); }
    const T *outputs() const { return signals_.back().data(); }

    // Weighted sums of layer l, and its outputs unless they are of softmax.
    void feed(std::size_t l, T &not_finite) {
        const Layer &layer = connections[l].layer;
        std::atomic<bool> finite{true};
        team.share((layer.n_out + rows - 1) / rows, layer.n_in * layer.n_out * n_examples_,
                   [&](std::size_t from, std::size_t to) {
                       if (!feed_neurons(l, from * rows, std::min(to * rows, layer.n_out))) finite = false;
                   });
        if (!finite) not_finite = std::numeric_limits<T>::quiet_NaN();
    }

    // Softmax needs all neurons of an example: outputs of the last layer, from its sums.
    void finish_outputs() {
        const Layer &last = connections.back().layer;
        if (last.activation != Activation::softmax) return;
        for (const Block &block : blocks) {
            T *a = signals_.back().data() + at(block, last.n_out);
            for (std::size_t lane = 0; lane < block.wide; lane += NE) softmax_column(a + lane, block.wide, last.n_out);
        }
    }

    std::size_t n_examples() const { return n_examples_; }

private:
    static constexpr std::size_t rows = R_max<E_max, T>;  // of the tiles that are shared out

    std::size_t n_examples_ = 0;
    const T *inputs_ = nullptr;       // columns
    std::vector<Buffer<T>> signals_;  // columns: outputs of each layer

    template <class Use>
    static void for_each_weight(const Connections &c, Use use) {
        const std::size_t n_out = c.layer.n_out;
        for (std::size_t p = 0; p < c.inputs.count(); ++p)
            for (std::size_t o = 0; o < n_out; ++o)
                for (std::size_t i = 0; i < c.inputs.inside(p); ++i)
                    use(c.inputs.at(p, n_out) + o * c.inputs.wide(p) + i, (c.inputs.first(p) + i) * n_out + o);
    }

    // Returns whether all sums are finite.
    bool feed_neurons(std::size_t l, std::size_t from, std::size_t to) {
        const Connections &c = connections[l];
        VE probe{};
        for (const Block &block : blocks) {
            const T *x = inputs_of(l) + at(block, c.layer.n_in);
            T *out = signals_[l].data() + at(block, c.layer.n_out);
            with_constant<E_max>(block.vectors, [&](auto E) {
                for_tiles<R_max<E(), T>>(from, to, [&](auto R, std::size_t o) { feed_tile<R(), E()>(c, x, o, out, probe); });
            });
            activate_rows(c.layer.activation, out + from * block.wide, (to - from) * block.wide);
        }
        return sum_of_lanes(probe) == 0;
    }

    template <int R, int E>
    [[gnu::noinline]] static void feed_tile(const Connections &c, const T *x, std::size_t o, T *out, VE &probe) {
        constexpr std::size_t wide = E * NE;
        Tile<R, E, VE> tile;
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int e = 0; e < E; ++e) tile.sum[r][e] = broadcast<VE>(c.bias[o + r]);
        for (std::size_t p = 0; p < c.inputs.count(); ++p) {
            const std::size_t row = c.inputs.wide(p);
            tile.add_products(c.inputs.inside(p), c.weights.data() + c.inputs.at(p, c.layer.n_out) + o * row, row, 1,
                              x + c.inputs.first(p) * wide, wide);
        }
        tile.store_to(out + o * wide, wide);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
            for (int e = 0; e < E; ++e) probe += tile.sum[r][e] * 0;
    }

    static void activate_rows(Activation activation, T *a, std::size_t n) {
        if (activation == Activation::linear) return;
        with_activation(activation, [&](auto f) {
            for (std::size_t k = 0; k < n; k += NE) store(a + k, f.output(load<VE>(a + k)));
        });
    }

    // a: n rows, one vector of each
    static void softmax_column(T *a, std::size_t row, std::size_t n) {
        VE largest = load<VE>(a), whole{};
        for (std::size_t j = 1; j < n; ++j) largest = larger(largest, load<VE>(a + j * row));
        for (std::size_t j = 0; j < n; ++j) {
            const VE power = exponential(load<VE>(a + j * row) - largest);
            store(a + j * row, power);
            whole += power;
        }
        for (std::size_t j = 0; j < n; ++j) store(a + j * row, load<VE>(a + j * row) / whole);
    }
};

}  // namespace tinyglass
