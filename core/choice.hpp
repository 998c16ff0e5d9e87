// Which kernel runs: a function of sizes, batch and instruction set, described in docs/core.md.

#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "kernel.hpp"
#include "plain.hpp"

namespace tinyglass {

template <class T>
std::string chosen_kernel(const Plan &, std::size_t /*n_examples*/) {
    return "plain";
}

template <class T>
std::unique_ptr<Kernel<T>> make_kernel(const std::string &name, const Plan &plan, const Examples<T> &train) {
    if (name == "plain") return std::make_unique<Plain<T>>(plan, train);
    throw std::invalid_argument("there is no kernel " + name + " for this training");
}

}  // namespace tinyglass
