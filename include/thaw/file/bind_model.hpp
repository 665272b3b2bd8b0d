// From a file to a model: bind in place without copying, or load into memory with conversion.
//
//   Result<SafetensorsView> view = SafetensorsView::open(flash, size);
//   auto model = thaw::bind_model(plan, view.value(), context);      // Result<Mlp<Array<float>>>, points into flash
//   auto copy = thaw::load_model(plan, view.value(), context);       // numbers in the context's arena; F16, F64, ...
//   Result<Done> done = thaw::load_into(parameters.values(), view.value());
//
// Tensors are found by the dotted names of for_each_tensor ("layers.0.weight"). Every name, type and shape is checked
// before anything is handed out or written. Neither allocates from the heap; both run on a device. The settings of a
// plan are not in the tensors: keep them in the metadata and build the plan from there. For paths see
// file/save_model.hpp.
#pragma once

#include "thaw/core/module.hpp"
#include "thaw/file/load.hpp"

namespace thaw::inline v0 {

// Whether a file may hold tensors that the plan does not name.
enum class ExtraTensors : std::uint8_t { refuse, ignore };

namespace detail {

inline TextView text_of(const Path& path) { return {path.text, static_cast<std::size_t>(path.size)}; }
inline bool same_text(TextView a, TextView b) {
  if (a.size != b.size) return false;
  for (std::size_t i = 0; i < a.size; ++i)
    if (a.data[i] != b.data[i]) return false;
  return true;
}

// Finds tensors by name; in one walk over the header when they are asked for in its order, as save_model writes them.
class TensorFinder {
 public:
  explicit TensorFinder(const SafetensorsView& view) : view_(view), cursor_(view) { cursor_.rewind(); }

  Result<TensorEntry> find(const Path& path) {
    TensorEntry entry;
    SafetensorsView ahead = cursor_;
    if (ahead.next(entry) && same_text(entry.name(), text_of(path))) {
      cursor_ = ahead;
      return entry;
    }
    return view_.find(text_of(path));
  }

 private:
  const SafetensorsView& view_;
  SafetensorsView cursor_;
};

// A tensor of the file that the model does not name, if there are more of them than the model has.
template <class M>
Result<Done> check_no_extra(const M& model, SafetensorsView view) {
  const auto wanted = static_cast<std::size_t>(tensor_count(model));
  if (view.tensor_count() <= wanted) return Done{};
  TensorEntry entry;
  view.rewind();
  while (view.next(entry)) {
    bool known = false;
    for_each_tensor([&](const Path& path, const auto&) { known = known || same_text(text_of(path), entry.name()); },
                    model);
    if (!known) break;
  }
  return make_fault(FaultKind::mismatch, "tensor '", entry.name(), "' of the file is not part of the model, which has ",
                    wanted, " tensors against ", view.tensor_count(),
                    "; build the plan with the settings that the file was saved with, or pass ExtraTensors::ignore");
}

// read(entry, tensor of the model) -> Result<Done> for every tensor, until one fails.
template <class M, class Read>
Result<Done> read_tensors(M& model, const SafetensorsView& view, const Read& read) {
  static_assert(Shape::kMaxRank == kMaxTensorRank);
  TensorFinder finder(view);
  Fault fault;
  bool failed = false;
  for_each_tensor(
      [&](const Path& path, auto& tensor) {
        if (failed) return;
        const Result<TensorEntry> entry = finder.find(path);
        const Result<Done> done = entry ? read(entry.value(), tensor) : Result<Done>(entry.fault());
        failed = !done;
        if (failed) fault = done.fault();
      },
      model);
  if (failed) return fault;
  return Done{};
}

// That copy_tensor will succeed for every tensor.
template <class M>
Result<Done> check_tensors(const M& model, const SafetensorsView& view, ExtraTensors extra) {
  Result<Done> each = read_tensors(model, view, [](const TensorEntry& entry, const auto& tensor) -> Result<Done> {
    const TensorType t = entry.type;
    if (t != TensorType::f32 && t != TensorType::f64 && t != TensorType::f16 && t != TensorType::bf16)
      return other_type(entry, "F64, F32, F16 or BF16", "convert it when the file is written");
    return check_dims(entry, tensor.shape.dims, tensor.shape.rank);
  });
  if (!each || extra == ExtraTensors::ignore) return each;
  return check_no_extra(model, view);
}

}  // namespace detail

// The model of a plan over the numbers of a file, where they lie: nothing is copied, so the file's bytes must outlive
// the model and must not be written through it. Faults: a tensor is missing, has another shape or another type than
// `R`, is not aligned, or is not part of the plan; then load_model may help, and the message says so.
template <class R = float, class B = Cpu, class Plan>
Result<ModelOf<Plan, Array<R, B>>> bind_model(const Plan& plan, const SafetensorsView& view,
                                              typename B::Context& context, ExtraTensors extra = ExtraTensors::refuse) {
  using A = Array<R, B>;
  auto model = map_model<A>(plan, [&](const Path&, const Spec& spec) { return A{nullptr, &context, spec.shape}; });
  const auto point = [](const TensorEntry& entry, A& tensor) -> Result<Done> {
    const Result<const R*> bound = bind_entry<R>(entry, tensor.shape.dims, tensor.shape.rank);
    if (!bound) return bound.fault();
    tensor = A::view(*tensor.context, bound.value(), tensor.shape);
    return Done{};
  };
  if (Result<Done> done = detail::read_tensors(model, view, point); !done) return done.fault();
  if (extra == ExtraTensors::refuse)
    if (Result<Done> done = detail::check_no_extra(plan, view); !done) return done.fault();
  return model;
}
// The same for a file that lies in memory; it is checked first.
template <class R = float, class B = Cpu, class Plan>
Result<ModelOf<Plan, Array<R, B>>> bind_model(const Plan& plan, const void* bytes, std::size_t size,
                                              typename B::Context& context, ExtraTensors extra = ExtraTensors::refuse) {
  const Result<SafetensorsView> view = SafetensorsView::open(bytes, size);
  if (!view) return view.fault();
  return bind_model<R, B>(plan, view.value(), context, extra);
}

// Copies the numbers of a file into a model's arrays, converted to their type. All or nothing: on a fault no number has
// changed.
template <class M>
Result<Done> load_into(const M& model, const SafetensorsView& view, ExtraTensors extra = ExtraTensors::refuse) {
  if (Result<Done> fits = detail::check_tensors(model, view, extra); !fits) return fits;
  return detail::read_tensors(model, view, [](const TensorEntry& entry, const auto& tensor) {
    return copy_tensor(entry, tensor.data, static_cast<std::size_t>(tensor.size()));
  });
}

// The model of a plan with the numbers of a file in the context's arena. On a fault nothing was taken from the arena.
template <class R = float, class B = Cpu, class Plan>
Result<ModelOf<Plan, Array<R, B>>> load_model(const Plan& plan, const SafetensorsView& view,
                                              typename B::Context& context, ExtraTensors extra = ExtraTensors::refuse) {
  using A = Array<R, B>;
  if (Result<Done> fits = detail::check_tensors(plan, view, extra); !fits) return fits.fault();
  auto model = map_model<A>(plan, [&](const Path&, const Spec& spec) { return A::make(context, spec.shape); });
  if (Result<Done> done = load_into(model, view, extra); !done) return done.fault();
  return model;
}

}  // namespace thaw::inline v0
