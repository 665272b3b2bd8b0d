// Models between the host and a backend with memory of its own.
//
//   auto on_host = thaw::fetch_model<thaw::Cpu>(host_context, parameters.values());    // for save_model
//   thaw::send_model(loaded.value(), parameters.values());                             // what load_model gave
//
// Saving and loading are the host's: a file does not say where a model was trained.
#pragma once

#include "thaw/core/module.hpp"

namespace thaw::inline v0 {

// An array's numbers in the memory of a host context; waits for the device.
template <class Host, class R, class B>
Array<R, Host> fetch(typename Host::Context& host, const Array<R, B>& array) {
  const auto out = Array<R, Host>::make(host, array.shape);
  B::download(*array.context, array.size(), array.data, out.data);
  return out;
}
// The same for every tensor of a model of Arrays.
template <class Host, class R = float, class M>
auto fetch_model(typename Host::Context& host, const M& model) {
  return map_unnamed<Array<R, Host>>(model, [&](const auto& tensor) { return fetch<Host>(host, tensor); });
}
// Writes the numbers of a model on the host into one on a device. Errors: shapes that differ.
template <class M, class N>
void send_model(const M& from, const N& to) {
  for_each_tensor(
      [](const Path& path, const auto& source, const auto& target) {
        using B = typename std::remove_cvref_t<decltype(target)>::Backend;
        require(source.shape == target.shape, "send_model: ", path, " has shape ", source.shape, " and ", target.shape);
        B::upload(*target.context, source.size(), source.data, target.data);
      },
      from, to);
}

}  // namespace thaw::inline v0
