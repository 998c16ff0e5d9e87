// All that computes, compiled for both precisions; bindings.cpp, which does not, is compiled to be small.

#include "feedforward.hpp"
#include "many/trainer.hpp"
#include "peak.hpp"

namespace tinyglass {

template class Trainer<float>;
template class Trainer<double>;
template class ManyTrainer<float>;
template class ManyTrainer<double>;
template class Feedforward<float>;
template class Feedforward<double>;

}  // namespace tinyglass
