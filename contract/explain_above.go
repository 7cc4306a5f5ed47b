package contract

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	surefootv1 "github.com/surefoot-rpc/surefoot/gen/surefoot/v1"
)

// profileLayers are what the chosen profile says of a method: that of the house,
// and that of the service for all its methods and for this one.
func (x *explainer) profileLayers(to target, name string) []layer {
	chosen := x.sources.Profile
	var house, defaults, own layer
	if m := x.sources.House.GetProfiles()[chosen].GetDefaults(); m != nil {
		house = layer{says: m.ProtoReflect(), origin: func(string) Origin { return Origin{Level: LevelProfile, Medium: MediumGo} }}
	}
	if pr := to.profiles()[chosen]; pr != nil {
		at := "profiles." + chosen + "."
		defaults = to.profileLayer(pr.GetDefaults(), at+"defaults.")
		own = to.profileLayer(pr.GetMethods()[name], at+"methods."+name+".")
	}
	return []layer{house, defaults, own}
}

// profileLayer is the layer of m, which stands at the path in the options of the
// service, in its .proto or in what is given for it.
func (to target) profileLayer(m *surefootv1.Method, path string) layer {
	if m == nil {
		return layer{}
	}
	var given protoreflect.Message
	if s := to.outside.contract.GetService(); s != nil {
		given = s.ProtoReflect()
	}
	return layer{says: m.ProtoReflect(), origin: func(field string) Origin {
		var o Origin
		if to.descriptor == nil || has(given, path+field) {
			o = to.outside.layer("").origin(path + field)
		} else {
			o = to.protoLayer("").origin(path + field)
		}
		o.Level = LevelProfile
		return o
	}}
}

// overrideLayers are what the operator says, one for each override.
func (x *explainer) overrideLayers(to target, name string) []layer {
	file := x.sources.Overrides
	if file == nil {
		return nil
	}
	out := make([]layer, len(file.List))
	for i := range file.List {
		out[i].origin = func(field string) Origin {
			return Origin{LevelOverride, MediumFile, file.position(OverrideField{i, "set." + field})}
		}
	}
	service := to.outside.contract.GetServiceName()
	if to.descriptor != nil {
		service = string(to.descriptor.FullName())
	}
	for _, o := range x.table.overrides {
		if o.matches("/" + service + "/" + name) {
			out[o.index].says = o.says.ProtoReflect()
		}
	}
	return out
}
