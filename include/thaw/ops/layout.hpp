// Moving numbers without computing: reshape, permute, slice and pad (each the other's gradient), concat.
//
//   auto user_part = thaw::slice(x, /*axis*/ -1, /*begin*/ 0, /*size*/ 64);
#pragma once

#include "thaw/ops/apply.hpp"

namespace thaw::inline v0 {

template <Value T>
T reshape(const T& x, const Shape& to);
template <Value T>
T slice(const T& x, int axis, Index begin, Index size);
template <Value T>
T pad(const T& x, int axis, Index before, Index size);

namespace op {

// Row-major strides of a shape, in elements.
inline void row_major_strides(const Shape& shape, Index* strides) {
  Index step = 1;
  for (int axis = shape.rank - 1; axis >= 0; --axis) {
    strides[axis] = step;
    step *= shape[axis];
  }
}

inline int resolve_axis(int axis, const Shape& shape, const char* name) {
  const int resolved = axis < 0 ? axis + shape.rank : axis;
  require(resolved >= 0 && resolved < shape.rank, name, ": axis ", axis, " is outside shape ", shape);
  return resolved;
}

struct Reshape {
  static constexpr const char* name = "reshape";
  struct Attr {
    Shape to;
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int) {
    require(attr.to.size() == in[0].shape.size(), "reshape: ", in[0].shape, " has another number of elements than ",
            attr.to);
    return attr.to;
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    A out = in[0];
    out.shape = shape(attr, in, n);
    return out;
  }
  template <class T>
  static void vjp(const Attr&, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    d.give(0, thaw::reshape(g, in[0].shape));
  }
};

struct Permute {
  static constexpr const char* name = "permute";
  struct Attr {
    int order[Shape::kMaxRank];
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int) {
    Shape out = in[0].shape;
    for (int i = 0; i < out.rank; ++i) out[i] = in[0].shape[attr.order[i]];
    return out;
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    Index strides[Shape::kMaxRank], permuted[Shape::kMaxRank] = {};
    row_major_strides(in[0].shape, strides);
    for (int i = 0; i < out.shape.rank; ++i) permuted[i] = strides[attr.order[i]];
    A::Backend::strided_copy(context, out.shape, in[0].data, permuted, out.data);
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    Attr inverse{};
    for (int i = 0; i < in[0].shape.rank; ++i) inverse.order[attr.order[i]] = i;
    d.give(0, apply<Permute>(inverse, {g}));
  }
};

struct Slice {
  static constexpr const char* name = "slice";
  struct Attr {
    int axis;
    Index begin, size;
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int) {
    require(attr.begin >= 0 && attr.size >= 0 && attr.begin + attr.size <= in[0].shape[attr.axis], "slice: elements ",
            attr.begin, " .. ", attr.begin + attr.size, " are outside axis ", attr.axis, " of shape ", in[0].shape);
    return in[0].shape.with_axis(attr.axis, attr.size);
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    Index strides[Shape::kMaxRank];
    row_major_strides(in[0].shape, strides);
    A::Backend::strided_copy(context, out.shape, in[0].data + attr.begin * strides[attr.axis], strides, out.data);
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    d.give(0, thaw::pad(g, attr.axis, attr.begin, in[0].shape[attr.axis]));
  }
};

struct Pad {
  static constexpr const char* name = "pad";
  struct Attr {
    int axis;
    Index before, size;
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int) {
    require(attr.before >= 0 && attr.before + in[0].shape[attr.axis] <= attr.size, "pad: shape ", in[0].shape,
            " does not fit at ", attr.before, " into size ", attr.size, " of axis ", attr.axis);
    return in[0].shape.with_axis(attr.axis, attr.size);
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    Index strides[Shape::kMaxRank];
    row_major_strides(out.shape, strides);
    A::Backend::fill(context, out.size(), typename A::Real(0), out.data);
    A::Backend::strided_add(context, in[0].shape, in[0].data, out.data + attr.before * strides[attr.axis], strides);
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T* in, int, Adjoints<T>& d) {
    d.give(0, thaw::slice(g, attr.axis, attr.before, in[0].shape[attr.axis]));
  }
};

struct Concat {
  static constexpr const char* name = "concat";
  struct Attr {
    int axis;
  };
  template <class T>
  static Shape shape(const Attr& attr, const T* in, int n) {
    Shape out = in[0].shape;
    for (int i = 1; i < n; ++i) {
      require(in[i].shape.with_axis(attr.axis, 0) == out.with_axis(attr.axis, 0), "concat: shapes ", in[0].shape,
              " and ", in[i].shape, " differ outside axis ", attr.axis);
      out[attr.axis] += in[i].shape[attr.axis];
    }
    return out;
  }
  template <class A>
  static A forward(const Attr& attr, const A* in, int n, bool) {
    auto& context = context_of(in, n, name);
    A out = A::make(context, shape(attr, in, n));
    const Index outer = out.shape.product(0, attr.axis);
    const Index inner = out.shape.product(attr.axis + 1, out.shape.rank);
    const Index row = out.shape[attr.axis] * inner;
    Index at = 0;
    for (int i = 0; i < n; ++i) {
      const Index part = in[i].shape[attr.axis] * inner;
      if constexpr (has_own_memory<typename A::Context>)
        A::Backend::copy_rows(context, outer, part, in[i].data, row, out.data + at);
      else
        for (Index o = 0; o < outer; ++o)
          A::Backend::copy(context, part, in[i].data + o * part, out.data + o * row + at);
      at += part;
    }
    return out;
  }
  template <class T>
  static void vjp(const Attr& attr, const T& g, const T&, const T* in, int n, Adjoints<T>& d) {
    Index at = 0;
    for (int i = 0; i < n; ++i) {
      const Index size = in[i].shape[attr.axis];
      if (d.wants(i)) d.give(i, thaw::slice(g, attr.axis, at, size));
      at += size;
    }
  }
};

}  // namespace op

// The same numbers in another shape; a view, no copy.
template <Value T>
T reshape(const T& x, const Shape& to) {
  if (x.shape == to) return x;
  return apply<op::Reshape>({to}, {x});
}
// Axis i of the result is axis order[i] of x.
template <Value T>
T permute(const T& x, std::initializer_list<int> order) {
  require(static_cast<int>(order.size()) == x.shape.rank, "permute: ", order.size(), " axes named for shape ", x.shape);
  op::Permute::Attr attr{};
  int i = 0;
  unsigned seen = 0;
  for (const int axis : order) {
    attr.order[i] = op::resolve_axis(axis, x.shape, "permute");
    seen |= 1u << attr.order[i++];
  }
  require(seen + 1 == 1u << x.shape.rank, "permute: an axis of shape ", x.shape, " is named twice");
  return apply<op::Permute>(attr, {x});
}
// Elements begin .. begin+size of one axis; a negative axis counts from the last.
template <Value T>
T slice(const T& x, int axis, Index begin, Index size) {
  return apply<op::Slice>({op::resolve_axis(axis, x.shape, "slice"), begin, size}, {x});
}
// Zeros around x so that the axis has `size` elements, `before` of them before it.
template <Value T>
T pad(const T& x, int axis, Index before, Index size) {
  return apply<op::Pad>({op::resolve_axis(axis, x.shape, "pad"), before, size}, {x});
}
// Values one after another along an axis.
template <Value T>
T concat(const T* parts, int count, int axis) {
  require(count > 0, "concat: nothing to join");
  return apply<op::Concat>({op::resolve_axis(axis, parts[0].shape, "concat")}, parts, count);
}
template <Value T, std::size_t N>
T concat(const T (&parts)[N], int axis) {
  return concat(parts, static_cast<int>(N), axis);
}

}  // namespace thaw::inline v0
